package task

import (
	"testing"
	"testing/synctest"
	"time"
)

// A wait ends with the channel that has something, or with its time.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full, closed := make(chan struct{}, 1), make(chan struct{})
		full <- struct{}{}
		close(closed)
		begun := time.Now()
		for _, tt := range []struct {
			want int
			c    []<-chan struct{}
		}{{0, []<-chan struct{}{full}}, {-1, []<-chan struct{}{full}}, {1, []<-chan struct{}{nil, closed}}, {3, []<-chan struct{}{nil, nil, nil, closed}}} {
			if got := Wait(time.Hour, tt.c...); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		}
		if took := time.Since(begun); took != time.Hour {
			t.Errorf("it took %v", took)
		}
		later := make(chan struct{})
		Go(func() { Wait(time.Minute); close(later) })
		if Wait(Forever, later) != 0 || time.Since(begun) != time.Hour+time.Minute {
			t.Error("it did not wait for what comes later")
		}
	})
}

func TestReceive(t *testing.T) {
	c := make(chan int, 1)
	c <- 7
	if v, ok := Receive(c); v != 7 || !ok {
		t.Error(v, ok)
	}
	close(c)
	if v, ok := Receive(c); v != 0 || ok {
		t.Error(v, ok)
	}
}

func TestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group
		n := 0
		g.Go(func() { Wait(time.Hour); n++ })
		g.Wait()
		if n != 1 {
			t.Error("it waited for nobody")
		}
	})
}
