package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestApplyIsRpcds walks through rpcd's rules of a change that waits for its
// confirmation (rpcd, uci.c: rpc_uci_apply, rpc_uci_confirm, rpc_uci_do_rollback).
func TestApplyIsRpcds(t *testing.T) {
	l := newLab(t)
	one, two := l.login(t, "admin"), l.login(t, "admin")
	const ok, invalid, noData, denied = "0", "2", "5", "6"
	const long, short = `{"rollback":true,"timeout":60}`, `{"rollback":true,"timeout":1}`
	set := func(value string) string { return `{"config":"network","section":"a","values":{"x":"` + value + `"}}` }
	file := func() string {
		l.uci.mu.Lock()
		defer l.uci.mu.Unlock()
		data, err := os.ReadFile(filepath.Join(l.uci.dir.Config, "network"))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	type step struct{ session, method, args, want string }
	walk := func(steps ...step) {
		t.Helper()
		for n, step := range steps {
			if got := l.call(t, step.session, "uci", step.method, step.args); got != step.want {
				t.Fatalf("step %d: %s %s: %s, want %s", n, step.method, step.args, got, step.want)
			}
		}
	}
	walk([]step{
		{one, "apply", long, noData},
		{one, "confirm", "{}", noData},
		{one, "revert", "{}", invalid},
		{one, "set", set("2"), ok},
		{two, "set", set("3"), ok},
		{one, "apply", long, ok},
		{one, "apply", long, denied},
		{two, "apply", long, denied},
		{one, "revert", "{}", denied},
		{two, "revert", `{"config":"network"}`, denied},
		{two, "confirm", "{}", denied},
		{one, "confirm", "{}", ok},
		{one, "confirm", "{}", noData},
		{two, "revert", `{"config":"network"}`, ok},
		{two, "apply", long, noData},
		{one, "set", set("4"), ok},
		{one, "apply", long, ok},
	}...)
	if got := file(); !strings.Contains(got, "'4'") {
		t.Fatalf("not applied: %s", got)
	}
	// The second may be over before anybody looks at the file.
	walk(step{one, "confirm", "{}", ok}, step{one, "set", set("5"), ok}, step{one, "apply", short, ok})
	for end := time.Now().Add(30 * time.Second); strings.Contains(file(), "'5'"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not taken back")
		}
	}
	if got := file(); !strings.Contains(got, "'4'") {
		t.Errorf("after the rollback: %s", got)
	}
	if got := l.call(t, one, "uci", "confirm", "{}"); got != noData {
		t.Errorf("confirm after the rollback: %s", got)
	}
	// The change is staged again: it can be applied, or reverted.
	if got := l.call(t, one, "uci", "apply", long); got != ok || !strings.Contains(file(), "'5'") {
		t.Errorf("apply after the rollback: %s, %s", got, file())
	}
}
