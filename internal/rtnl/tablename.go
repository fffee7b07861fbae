package rtnl

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// tableFile holds the names that the user gave to routing tables.
const tableFile = "/etc/iproute2/rt_tables"

// TableByName returns the routing table that a name or a number stands for, as
// netifd and ip(8) understand it; the empty name is the main table.
func TableByName(name string) (uint32, error) { return tableByName(name, tableFile) }

func tableByName(name, file string) (uint32, error) {
	switch name {
	case "", "main":
		return TableMain, nil
	case "default":
		return 253, nil // RT_TABLE_DEFAULT
	case "local":
		return 255, nil // RT_TABLE_LOCAL
	}
	if n, err := strconv.ParseUint(name, 0, 32); err == nil && n > 0 {
		return uint32(n), nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("routing table %q: not a number, and the names cannot be read: %w", name, err)
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) < 2 || words[1] != name {
			continue
		}
		if n, err := strconv.ParseUint(words[0], 0, 32); err == nil && n > 0 {
			return uint32(n), nil
		}
	}
	return 0, fmt.Errorf("routing table %q: neither a number nor a name in %s", name, file)
}
