package netifd

import "slices"

// A vlist is a sorted set whose members carry the version of the update they
// came with: after an update, flush deletes those that did not come again. The
// update function sees every change and does the work on the kernel, so that
// what comes anew is added before what is gone is deleted. (libubox calls it so.)
//
// Version -1 stands for "no update": members added then survive every flush
// except one at version -1, which takes all.
type vlist[T versioned] struct {
	items   []T
	version int
	compare func(a, b T) int
	// update is called for a member added (before is the zero T), replaced,
	// or deleted (after is the zero T).
	update func(after, before T)
}

type versioned interface {
	comparable
	stamp() *int
}

// vnode makes a type fit for a vlist.
type vnode struct{ version int }

func (n *vnode) stamp() *int { return &n.version }

func newVlist[T versioned](compare func(a, b T) int, update func(after, before T)) vlist[T] {
	return vlist[T]{version: 1, compare: compare, update: update}
}

func (l *vlist[T]) add(item T) {
	*item.stamp() = l.version
	var before T
	at, found := slices.BinarySearchFunc(l.items, item, l.compare)
	if found {
		before = l.items[at]
		l.items[at] = item
	} else {
		l.items = slices.Insert(l.items, at, item)
	}
	l.update(item, before)
}

func (l *vlist[T]) delete(item T) {
	var none T
	at, _ := slices.BinarySearchFunc(l.items, item, l.compare)
	if at == len(l.items) || l.items[at] != item {
		at = slices.Index(l.items, item) // what it is sorted by has changed since
	}
	if at >= 0 {
		l.items = slices.Delete(l.items, at, at+1)
	}
	l.update(none, item)
}

// begin starts an update.
func (l *vlist[T]) begin() { l.version++ }

// flush ends an update.
func (l *vlist[T]) flush() {
	for _, item := range slices.Clone(l.items) {
		v := *item.stamp()
		if l.version == -1 || v != l.version && v != -1 {
			l.delete(item)
		}
	}
}

func (l *vlist[T]) flushAll() {
	l.version = -1
	l.flush()
}

// An updateList is the same without order and identity: values as often as they
// came, of the present update.
type updateList[T any] struct {
	items   []updateItem[T]
	version int
}

type updateItem[T any] struct {
	value   T
	version int
}

func (l *updateList[T]) add(v T) { l.items = append(l.items, updateItem[T]{v, l.version}) }

func (l *updateList[T]) begin() { l.version++ }

func (l *updateList[T]) flush() {
	l.items = slices.DeleteFunc(l.items, func(i updateItem[T]) bool {
		return l.version == -1 || i.version != l.version && i.version != -1
	})
}

func (l *updateList[T]) flushAll() {
	l.version = -1
	l.flush()
}

// replace makes the list hold what from held.
func (l *updateList[T]) replace(from *updateList[T]) {
	l.begin()
	for _, i := range from.items {
		l.add(i.value)
	}
	from.items = nil
	l.flush()
}
