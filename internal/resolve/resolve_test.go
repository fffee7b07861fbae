package resolve

import (
	"context"
	"errors"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fake has answers; a host without one never gets any.
type fake struct {
	answers map[Question][]netip.Addr
	mu      sync.Mutex
	asked   map[Question]int
}

var errNone = errors.New("there is no such name")

func (f *fake) Candidates(ctx context.Context, host string, family Family) ([]netip.Addr, error) {
	q := Question{host, family}
	f.mu.Lock()
	if f.asked == nil {
		f.asked = map[Question]int{}
	}
	f.asked[q]++
	f.mu.Unlock()
	answer, ok := f.answers[q]
	switch {
	case !ok:
		<-ctx.Done()
		return nil, reason(ctx.Err())
	case len(answer) == 0:
		return nil, errNone
	}
	return answer, nil
}

func TestAll(t *testing.T) {
	both := Question{"a.example", Auto}
	six := Question{"a.example", IPv6}
	gone, dead := Question{"gone.example", Auto}, Question{"dead.example", Auto}
	f := &fake{answers: map[Question][]netip.Addr{
		both: addrs("192.0.2.1", "2001:db8::1"), six: addrs("2001:db8::1"), gone: {},
	}}
	var got map[Question]Answer
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got = All(ctx, f, []Question{both, dead, six, both, gone})
	})
	if len(got) != 4 {
		t.Errorf("%d answers: %v", len(got), got)
	}
	for q, want := range map[Question][]netip.Addr{both: f.answers[both], six: f.answers[six]} {
		if diff := cmp.Diff(want, got[q].Addrs, equateAddr); diff != "" || got[q].Err != nil {
			t.Errorf("%v: %v (-want +got):\n%s", q, got[q].Err, diff)
		}
	}
	for q, want := range map[Question]string{dead: "no answer from a name server in time", gone: errNone.Error()} {
		if err := got[q].Err; err == nil || err.Error() != want {
			t.Errorf("%v: %v, want %s", q, err, want)
		}
	}
	if f.asked[both] != 1 {
		t.Errorf("%v was asked %d times", both, f.asked[both])
	}
}

// TestDeadNamesDoNotQueue: names that are dead, more than may be asked for at
// once, leave time for the one behind them.
func TestDeadNamesDoNotQueue(t *testing.T) {
	questions := make([]Question, 3*parallel, 3*parallel+1)
	for n := range questions {
		questions[n].Host = strconv.Itoa(n) + ".dead.example"
	}
	alive := Question{Host: "zz.example"}
	questions = append(questions, alive)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		found := 0
		for _, a := range All(ctx, &fake{answers: map[Question][]netip.Addr{alive: addrs("192.0.2.1")}}, questions) {
			if a.Err == nil {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%d found", found)
		}
	})
}

func TestNoQuestions(t *testing.T) {
	if got := All(context.Background(), &fake{}, nil); len(got) != 0 {
		t.Error("found something")
	}
}
