package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is a line of /proc.
type process struct {
	pid, parent int
	name        string
}

// processes lists the processes of the namespace, which are few.
func processes() []process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var out []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		data, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		if p, ok := parseStat(string(data)); ok {
			p.pid = pid
			out = append(out, p)
		}
	}
	return out
}

// parseStat reads /proc/PID/stat: the name is in parentheses and may hold any.
func parseStat(line string) (p process, ok bool) {
	start, end := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if start < 0 || end < start {
		return p, false
	}
	fields := strings.Fields(line[end+1:])
	if len(fields) < 2 || fields[0] == "Z" {
		return p, false
	}
	parent, err := strconv.Atoi(fields[1])
	return process{name: line[start+1 : end], parent: parent}, err == nil
}

// handler returns the process of the handler that netifd runs for the interface,
// for that action if one is given; 0 when there is none.
func (r *router) handler(action string) int {
	for _, p := range processes() {
		if p.parent != r.netifd.Process.Pid {
			continue
		}
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid))
		if err != nil {
			continue
		}
		args := strings.Split(string(data), "\x00")
		if slices.Contains(args, iface) && (action == "" || slices.Contains(args, action)) {
			return p.pid
		}
	}
	return 0
}

// ended waits for a process to end and returns when it did.
func ended(pid int, limit time.Duration) (time.Time, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH {
		return time.Now(), nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("watch process %d: %w", pid, err)
	}
	defer func() { _ = unix.Close(fd) }()
	for deadline := time.Now().Add(limit); ; {
		left := time.Until(deadline)
		if left <= 0 {
			return time.Time{}, errLimit
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if n > 0 {
			return time.Now(), nil
		}
		if err != nil && err != unix.EINTR {
			return time.Time{}, fmt.Errorf("watch process %d: %w", pid, err)
		}
	}
}

// memoryOf returns the memory of a process and of those that it has started, in
// bytes: the proportional set size, in which a page that n processes share counts
// a n-th for each. Userspace WireGuard does not count: on a router the kernel
// does its work.
func memoryOf(pid int) (bytes int64) {
	all := processes()
	for todo := []int{pid}; len(todo) > 0; todo = todo[1:] {
		for _, p := range all {
			if p.parent == todo[0] {
				todo = append(todo, p.pid)
			}
			if p.pid == todo[0] && p.name != "wireguard-go" {
				bytes += pss(p.pid)
			}
		}
	}
	return bytes
}

func pss(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0 // it has ended
	}
	for line := range bytes.Lines(data) {
		if rest, ok := bytes.CutPrefix(line, []byte("Pss:")); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(string(rest)), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return kilobytes << 10
		}
	}
	return 0
}

// peakMemory watches the handler of a setup until stop is closed, and then sends
// the most memory that it had.
func (r *router) peakMemory(stop <-chan struct{}) <-chan int64 {
	out := make(chan int64, 1)
	go func() {
		var peak int64
		for {
			if pid := r.handler("setup"); pid != 0 {
				peak = max(peak, memoryOf(pid))
			}
			select {
			case <-stop:
				out <- peak
				return
			case <-time.After(500 * time.Microsecond):
			}
		}
	}()
	return out
}
