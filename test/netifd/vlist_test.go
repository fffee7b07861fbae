package netifd

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

type listed struct {
	vnode
	key   int
	value string
}

func newListed(changes *[]string) *vlist[*listed] {
	name := func(l *listed) string {
		if l == nil {
			return "-"
		}
		return fmt.Sprint(l.key, l.value)
	}
	l := newVlist(
		func(a, b *listed) int { return cmp.Compare(a.key, b.key) },
		func(after, before *listed) { *changes = append(*changes, name(before)+">"+name(after)) },
	)
	return &l
}

func TestVlistAddsBeforeItDeletes(t *testing.T) {
	var changes []string
	l := newListed(&changes)
	update := func(items ...*listed) {
		changes = nil
		l.begin()
		for _, i := range items {
			l.add(i)
		}
		l.flush()
	}
	update(&listed{key: 2, value: "a"}, &listed{key: 1, value: "a"})
	if diff := gocmp.Diff([]string{"->2a", "->1a"}, changes); diff != "" {
		t.Errorf("first (-want +got):\n%s", diff)
	}
	update(&listed{key: 3, value: "a"}, &listed{key: 2, value: "b"})
	if diff := gocmp.Diff([]string{"->3a", "2a>2b", "1a>-"}, changes); diff != "" {
		t.Errorf("second (-want +got):\n%s", diff)
	}
	if !slices.IsSortedFunc(l.items, l.compare) || len(l.items) != 2 {
		t.Errorf("items: %v", l.items)
	}
}

func TestVlistWithoutUpdate(t *testing.T) {
	var changes []string
	l := newListed(&changes)
	l.add(&listed{key: 1})
	l.flushAll()
	if len(l.items) != 0 {
		t.Fatal("flushAll left something")
	}
	kept := &listed{key: 2}
	l.add(kept) // outside of an update: at version -1
	l.begin()
	l.flush()
	if len(l.items) != 1 {
		t.Error("a member that came without an update went with one")
	}
	kept.key = 9 // sorted in the wrong place now
	l.delete(kept)
	if len(l.items) != 0 {
		t.Error("a member whose key has changed cannot be deleted")
	}
}

func TestUpdateList(t *testing.T) {
	var l, other updateList[string]
	l.add("a")
	l.begin()
	l.add("b")
	l.add("b")
	l.flush()
	if len(l.items) != 2 {
		t.Errorf("after an update: %v", l.items)
	}
	other.add("c")
	l.replace(&other)
	if len(l.items) != 1 || l.items[0].value != "c" || len(other.items) != 0 {
		t.Errorf("after replace: %v, %v", l.items, other.items)
	}
	l.flushAll()
	if len(l.items) != 0 {
		t.Errorf("after flushAll: %v", l.items)
	}
}
