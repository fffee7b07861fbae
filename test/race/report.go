package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// row is one contestant at one size.
type row struct {
	size              int
	racer             *contestant
	up, renew, change []time.Duration
	memory            []int64
	failure           string // why it did not come up
}

// add takes what a run has measured.
func (r *row) add(got result, timed bool) {
	if !timed {
		r.memory = append(r.memory, got.memory)
		return
	}
	r.up = append(r.up, got.up)
	if got.renew > 0 {
		r.renew = append(r.renew, got.renew)
	}
	if got.change > 0 {
		r.change = append(r.change, got.change)
	}
}

// report is the section of docs/performance.md.
func report(m machine, s settings, racers []*contestant, rows []row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Machine: %s, Linux %s, %s; %s.\n", m.processor, m.kernel, m.system, m.wireguard)
	fmt.Fprintf(&b, "Handlers: %s", m.program)
	for _, c := range racers[1:] {
		fmt.Fprintf(&b, "; %s: %s (%s)", c.name, c.file, c.version())
	}
	fmt.Fprintf(&b, ".\nEvery peer has a preshared key, one allowed IP and a route%s. Times are the median of %d runs in turns\n(fastest–slowest), memory is the most of %d further runs.\n\n",
		map[bool]string{true: ", an endpoint and a keepalive"}[s.endpoints], s.runs, s.memory)
	b.WriteString("| peers | handler | `up` to up | renew | one peer changed and live | peak memory |\n|--:|---|--:|--:|--:|--:|\n")
	for _, r := range rows {
		if r.failure != "" && len(r.up) == 0 {
			fmt.Fprintf(&b, "| %s | %s | fails | – | – | – |\n", thousands(r.size), r.racer.name)
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", thousands(r.size), r.racer.name,
			times(r.up)+factor(r, rows), times(r.renew), times(r.change), megabytes(r.memory))
	}
	b.WriteString("\n")
	for _, c := range racers {
		if c.way.name != "" { // else it never came so far
			fmt.Fprintf(&b, "- %s: a change gets live by `%s`.\n", c.name, c.way.name)
		}
	}
	for _, r := range rows {
		if r.failure != "" {
			fmt.Fprintf(&b, "- %s fails at %s peers: %s.\n", r.racer.name, thousands(r.size), r.failure)
		}
	}
	return b.String()
}

// factor says how many times as long as ours another handler takes.
func factor(r row, rows []row) string {
	for _, o := range rows {
		if o.size == r.size && o.racer != r.racer && o.racer.file == "wgnetifd.sh" && len(o.up) > 0 {
			return fmt.Sprintf(", × %.1f", float64(median(r.up))/float64(median(o.up)))
		}
	}
	return ""
}

// median returns the middle one, of an even number the mean of both.
func median(v []time.Duration) time.Duration {
	v = slices.Sorted(slices.Values(v))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// times returns median and spread, or a dash where nothing was measured.
func times(v []time.Duration) string {
	if len(v) == 0 {
		return "–"
	}
	return fmt.Sprintf("%s (%s–%s)", duration(median(v)), duration(slices.Min(v)), duration(slices.Max(v)))
}

// duration returns three digits that mean something.
func duration(d time.Duration) string {
	switch ms := float64(d) / float64(time.Millisecond); {
	case ms < 9.95:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 999.5:
		return fmt.Sprintf("%.0f ms", ms)
	case ms < 9995:
		return fmt.Sprintf("%.2f s", ms/1000)
	default:
		return fmt.Sprintf("%.1f s", ms/1000)
	}
}

func megabytes(v []int64) string {
	if len(v) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f MB", float64(slices.Max(v))/1e6)
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
