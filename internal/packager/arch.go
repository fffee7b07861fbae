package packager

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Group is the OpenWrt architectures that one Go environment fits: they get the
// same program.
type Group struct {
	// Environment of the compiler, such as "GOARCH=mipsle GOMIPS=softfloat".
	Environment string
	// Names as OpenWrt has them.
	Names []string
}

// ReadTable reads the table of architectures: a name and an environment a line.
// Groups stand in the order of their first names.
func ReadTable(path string) (groups []Group, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	at := map[string]int{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		environment := strings.Join(fields[1:], " ")
		n, ok := at[environment]
		if !ok {
			n = len(groups)
			at[environment] = n
			groups = append(groups, Group{Environment: environment})
		}
		groups[n].Names = append(groups[n].Names, fields[0])
	}
	return groups, lines.Err()
}

// Select leaves of the groups what names has; no names are all of them.
func Select(groups []Group, names []string) ([]Group, error) {
	if len(names) == 0 {
		return groups, nil
	}
	var out []Group
	found := 0
	for _, g := range groups {
		var some []string
		for _, name := range g.Names {
			if slices.Contains(names, name) {
				some = append(some, name)
			}
		}
		if found += len(some); len(some) > 0 {
			out = append(out, Group{g.Environment, some})
		}
	}
	if found != len(names) {
		return nil, fmt.Errorf("of %v, %d are architectures of the table, each once", names, found)
	}
	return out, nil
}
