package rtnl

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"
)

// tablesFile names the routing tables that have a name; see ip-route(8).
const tablesFile = "/etc/iproute2/rt_tables"

// Table returns the number of a routing table that a configuration names as
// netifd's options ip4table and ip6table do: a number in C's notation, one of
// the names main, default and local, or a name from /etc/iproute2/rt_tables.
// The empty name is TableMain.
func Table(name string) (uint32, error) { return tableIn(tablesFile, name) }

func tableIn(file, name string) (uint32, error) {
	switch name {
	case "", "main":
		return TableMain, nil
	case "default":
		return 253, nil // RT_TABLE_DEFAULT
	case "local":
		return 255, nil // RT_TABLE_LOCAL
	}
	if n, err := parseC(name); err == nil {
		if n == 0 || n > math.MaxUint32 {
			return 0, fmt.Errorf("routing table %q: a number from 1 to 4294967295 is right", name)
		}
		return uint32(n), nil
	}
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("routing table %q: %w", name, err)
	}
	if n, ok := tableNamed(string(text), name); ok {
		return n, nil
	}
	return 0, fmt.Errorf("routing table %q: no number, and %s does not name it", name, file)
}

// parseC reads a number as strtoul does with base 0, without its signs.
func parseC(s string) (uint64, error) {
	digits, base := s, 10
	switch {
	case strings.HasPrefix(s, "0x"), strings.HasPrefix(s, "0X"):
		digits, base = s[2:], 16
	case len(s) > 1 && s[0] == '0':
		digits, base = s[1:], 8
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if errors.Is(err, strconv.ErrRange) {
		return math.MaxUint64, nil
	}
	return n, err
}

// tableNamed looks a name up in the text of rt_tables: lines of a number and a
// name; what starts with # is a comment.
func tableNamed(text, name string) (uint32, bool) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") || fields[1] != name {
			continue
		}
		n, err := strconv.ParseUint(fields[0], 0, 32)
		if err == nil && n != 0 {
			return uint32(n), true
		}
	}
	return 0, false
}
