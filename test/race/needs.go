package main

import (
	"os/exec"
	"path"
	"path/filepath"
	"slices"
)

// need is a thing that the race takes of the machine that it runs on.
type need struct {
	at   string // where the race looks for it when nothing names another place
	from string // where it is on this machine
}

// What handlers call and read beside programs and files, of which not every
// release has each.
var (
	extraPrograms = []string{"ucode", "jsonfilter"}
	extraFiles    = []string{"/lib/functions", "/usr/lib/ucode", "/usr/share/ucode"}
)

// needs lists files and folders that a machine has to have for the race to run
// there as it would here, beside a shell with the usual small programs, and the
// libraries. Of two in the same place the later one counts. lookAround has found
// all that cannot be missing.
func needs() (list []need) {
	for _, name := range slices.Concat(programs, extraPrograms) {
		if from, err := exec.LookPath(name); err == nil {
			dir := "/usr/bin" // where handlers have wg
			if name == "uci" {
				dir = "/sbin" // and shell functions uci
			}
			list = append(list, need{path.Join(dir, name), from})
		}
	}
	for _, name := range slices.Concat([]string{netifdDir}, files, extraFiles) {
		list = append(list, need{name, name})
	}
	shell, ucode := upstream()
	list = append(list, need{protoDir + "/wireguard.sh", shell}, need{protoDir + "/wireguard.uc", ucode},
		need{"/usr/bin/wgnetifd", ours()})
	out := list[:0]
	for _, n := range list {
		// The folders of whoever reads the list are others.
		if from, err := filepath.Abs(n.from); err == nil && exists(from) {
			out = append(out, need{n.at, from})
		}
	}
	return out
}
