package main

import (
	"debug/elf"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
)

// libraries returns the shared libraries of a program or of a module, those of
// libraries too, and the loader, as this machine has them. What is no program, or
// a static one, has none.
func libraries(path string) ([]string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, nil // A script: who runs it says what else is missing.
	}
	defer f.Close()
	if needed, err := f.ImportedLibraries(); err != nil || len(needed) == 0 {
		return nil, err
	}
	out, err := exec.Command("ldd", path).Output()
	if err != nil {
		return nil, fmt.Errorf("ldd %s: %w", path, err)
	}
	found, missing := parseLdd(string(out))
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s needs libraries that are not on this machine: %s", path, strings.Join(missing, ", "))
	}
	return found, nil
}

// parseLdd reads what ldd(1) writes: "NAME => PATH (ADDRESS)", "PATH (ADDRESS)" of
// the loader, "NAME (ADDRESS)" of what the kernel has, or "NAME => not found".
func parseLdd(out string) (found, missing []string) {
	for line := range strings.Lines(out) {
		name, path, ok := strings.Cut(strings.TrimSpace(line), " => ")
		if !ok {
			path = name
		}
		path, _, _ = strings.Cut(path, " (")
		switch {
		case filepath.IsAbs(path):
			found = append(found, path)
		case path == "not found":
			missing = append(missing, name)
		}
	}
	return found, missing
}

// addLibraries writes the libraries of a file, or of all files of a folder: those
// that the archive does not have yet.
func (a *archive) addLibraries(from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		list, err := libraries(path)
		for _, library := range list {
			if !a.libraries[library] {
				a.libraries[library] = true
				a.copy(library, library)
			}
		}
		return err
	})
}
