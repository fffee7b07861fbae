package schema_test

import "testing"

func TestClockBypass(t *testing.T) {
	for value, want := range map[string]bool{"1": true, "yes": true, "off": false, "": false} {
		if got := load(t, wg0("option clock_bypass '"+value+"'")); got.ClockBypass != want || len(got.Problems) > 0 {
			t.Errorf("clock_bypass '%s': %v, %v; want %v", value, got.ClockBypass, got.Problems, want)
		}
	}
	got := load(t, wg0("option clock_bypass 'soon'"))
	if got.ClockBypass || len(got.Problems) != 1 || !got.Usable() {
		t.Errorf("clock_bypass 'soon': %v, %v", got.ClockBypass, got.Problems)
	}
}
