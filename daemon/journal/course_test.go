package journal

import (
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/disk"
)

// TestCourse_R8: a login begins, goes on from token to token, and ends. What the next can expect
// is what the issuer did, and not what a person did, nor what happened within a day.
func TestCourse_R8(t *testing.T) {
	begun := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := Course{}.Begin("a", begun).Step("a", "b").Step("x", "y")
	if !c.SinceOf("b").Equal(begun) || !c.SinceOf("a").IsZero() || !c.SinceOf("y").IsZero() {
		t.Errorf("%+v", c)
	}
	for _, tt := range []struct {
		age      time.Duration
		byIssuer bool
		lasts    time.Duration
	}{
		{30 * day, true, 30 * day}, {30 * day, false, 0}, {time.Hour, true, 0}, {-time.Hour, true, 0},
	} {
		over := c.End("b", "why", tt.byIssuer, begun.Add(tt.age))
		if !over.IsOver("b") || over.Of("b") || over.Lasted() != max(0, tt.age) || time.Duration(over.Lasts)*time.Second != tt.lasts {
			t.Errorf("%+v: %+v", tt, over)
		}
		next := over.Begin("n", begun.Add(40*day))
		notice, end, ok := next.Term("n")
		if ok != (tt.lasts > 0) || ok && (!end.Equal(begun.Add(70*day)) || !notice.Equal(begun.Add(67*day))) {
			t.Errorf("%+v: from %v until %v", tt, notice, end)
		}
		if _, outlived := next.Outlived("n", begun.Add(74*day)); outlived != ok {
			t.Errorf("%+v: outlived: %v", tt, outlived)
		}
		if _, outlived := next.Outlived("n", begun.Add(71*day)); outlived {
			t.Error("outlived a day after")
		}
	}
}

// TestEarlierVersionsAndTheCourse_F5: what an earlier version knew of falcred.json stands there
// as ever, whatever is known of the course; without that nothing is lost of the login.
func TestEarlierVersionsAndTheCourse_F5(t *testing.T) {
	home := newHome(t)
	l := Ledger{Issuer: "https://id.example.com", Subject: "ann"}.Consume("used")
	l = l.WithTip(tokenfile.TokenPair{Refresh: "tip"}, "ann")
	l.Course = l.Course.Begin("tip", time.Now().Add(-time.Hour))
	testkit.Must(t, l.Save(home))
	got, err := Load(home)
	if testkit.Must(t, err); got.Course != l.Course || !got.IsTip("tip") || !got.Consumed("used") || got.Issuer != l.Issuer {
		t.Errorf("%+v, want %+v", got, l)
	}
	later := l.Step("tip", tokenfile.TokenPair{Refresh: "next"})
	if !later.Course.SinceOf("next").Equal(l.Course.Since) || !(Ledger{}).Follow(later).Course.Of("next") {
		t.Errorf("a refresh begins a login: %+v", later.Course)
	}
}

// TestCourseIsClamped_F6: whoever can write falcred.json can write any moment and any age.
func TestCourseIsClamped_F6(t *testing.T) {
	home := newHome(t)
	for _, age := range []int64{math.MaxInt64, math.MinInt64, -1} {
		l := Ledger{Course: Course{Token: tokenfile.Fingerprint("a"), Since: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), Ended: time.Now().Add(time.Hour), Age: age, Lasts: age}}
		testkit.Must(t, l.write(home))
		got, err := Load(home)
		c := got.Course
		if testkit.Must(t, err); c.Since.After(time.Now()) || c.Ended.After(time.Now()) || c.Age != 0 || c.Lasts != 0 {
			t.Errorf("%+v", c)
		}
		if _, err := disk.Stat(filepath.Join(home, LedgerName)); err != nil {
			t.Error(err)
		}
	}
}
