package clock

import (
	"testing"
	"testing/synctest"
	"time"
)

// Both kinds ring when they were set last, and not before.
func TestRings(t *testing.T) {
	for name, make := range map[string]func() *Alarm{"the kernel's": New, "Go's": Plain} {
		t.Run(name, func(t *testing.T) {
			a := make()
			defer a.Close()
			begun := time.Now()
			a.Set(time.Hour)
			a.Set(20 * time.Millisecond)
			<-a.C
			if took := time.Since(begun); took < 20*time.Millisecond {
				t.Errorf("it rang after %v", took)
			}
			a.Set(0)
			<-a.C
		})
	}
}

func TestPlainKnowsTheBubblesClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := Plain()
		defer a.Close()
		begun := time.Now()
		a.Set(time.Hour)
		<-a.C
		if took := time.Since(begun); took != time.Hour {
			t.Errorf("it rang after %v", took)
		}
	})
}

// One that was closed does not ring when somebody sets it still, whichever its kind.
func TestClosedIsSilent(t *testing.T) {
	for name, make := range map[string]func() *Alarm{"the system's": New, "Go's": Plain} {
		a, other := make(), Plain()
		a.Set(time.Hour)
		a.Close()
		a.Set(0)
		other.Set(time.Millisecond) // which is later
		<-other.C
		other.Close()
		select {
		case <-a.C:
			t.Errorf("%s rang", name)
		default:
		}
	}
}
