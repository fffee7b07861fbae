package state

import "testing"

func TestFailed(t *testing.T) {
	d := Dir(t.TempDir() + "/run")
	if d.Failed("wg0") {
		t.Error("nothing has failed yet")
	}
	for _, failed := range []bool{false, true, true, false, false} {
		if err := d.SetFailed("wg0", failed); err != nil {
			t.Fatal(err)
		}
		if d.Failed("wg0") != failed || d.Failed("wg1") {
			t.Errorf("wg0 has failed: %v, want %v; wg1: %v", d.Failed("wg0"), failed, d.Failed("wg1"))
		}
		if err := d.Remove("wg0"); err != nil { // as the teardown does
			t.Fatal(err)
		}
	}
	if d.SetFailed("../wg0", true) == nil || d.Failed("../wg0") {
		t.Error("the name of a file elsewhere is taken")
	}
}
