// Race measures this project's handler against upstream's, on a machine that
// has OpenWrt's programs: the same UCI file, the same netifd, run after run in
// turns. `make bench-upstream` runs it; the Markdown table that it prints is
// the one in docs/performance.md.
//
// Everything happens in namespaces of its own, with a ubusd and a netifd of its
// own, so that a router's network is not touched. What the machine has to have
// is on PATH and in /lib/netifd; three environment variables name other places:
//
//	WGNETIFD_PROGRAM          our program (bin/wgnetifd beside this one)
//	WGNETIFD_UPSTREAM_SHELL   upstream's wireguard.sh
//	WGNETIFD_UPSTREAM_UCODE   upstream's wireguard.uc
//
// With -needs it names what it takes of the machine instead, for another one that
// is to run the race: `make bench-upstream-kernel`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/wgnetifd/wgnetifd/test/netns"
)

// settings are what the command line says.
type settings struct {
	sizes     []int
	runs      int
	memory    int // runs that measure memory
	limit     time.Duration
	endpoints bool
	needs     bool // list what the race needs, do not run it
}

func main() {
	s, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		os.Exit(2)
	}
	err = lookAround()
	if !s.needs && os.Geteuid() != 0 {
		err = errors.Join(errors.New("  root (namespaces are made)"), err)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "race: this machine lacks something:\n"+err.Error())
		os.Exit(1)
	}
	if s.needs {
		for _, n := range needs() {
			fmt.Printf("%s\t%s\n", n.at, n.from)
		}
		return
	}
	code, err := netns.Isolate(func() int {
		if err := race(context.Background(), s); err != nil {
			fmt.Fprintln(os.Stderr, "race:", err)
			return 1
		}
		return 0
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "race:", err)
		code = 1
	}
	os.Exit(code)
}

func parse(args []string) (s settings, err error) {
	flags := flag.NewFlagSet("race", flag.ContinueOnError)
	sizes := flags.String("sizes", "1,10,100,500,1000,2000,5000,10000", "numbers of peers, ascending, with commas between them")
	flags.IntVar(&s.runs, "runs", 5, "timed runs of each contestant at each size")
	flags.IntVar(&s.memory, "memory-runs", 2, "further runs, not timed, that measure memory")
	flags.DurationVar(&s.limit, "limit", time.Minute, "how long an interface may take to come up")
	flags.BoolVar(&s.endpoints, "endpoints", false, "give every peer an endpoint (an address)")
	flags.BoolVar(&s.needs, "needs", false, "only list what the race needs: where it looks for it, a tab, and where it is here")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if s.runs < 1 || s.memory < 0 || flags.NArg() > 0 {
		flags.Usage()
		return s, errors.New("wrong usage")
	}
	if s.sizes, err = numbers(*sizes); err != nil {
		fmt.Fprintln(flags.Output(), "race: -sizes:", err)
	}
	return s, err
}

// numbers reads the -sizes. Above 60,000 the addresses of config.go end.
func numbers(list string) (out []int, err error) {
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > maxPeers {
			return nil, fmt.Errorf("%q is not a number from 1 to %d", word, maxPeers)
		}
		if len(out) > 0 && n <= out[len(out)-1] {
			return nil, fmt.Errorf("%d follows %d: they have to ascend", n, out[len(out)-1])
		}
		out = append(out, n)
	}
	return out, nil
}

// race runs all contestants at all sizes and prints the table.
func race(ctx context.Context, s settings) error {
	racers, err := contestants()
	if err != nil {
		return err
	}
	m, err := describe(ctx)
	if err != nil {
		return err
	}
	if err := furnish(); err != nil {
		return err
	}
	var rows []row
	for _, size := range s.sizes {
		var at []row
		if at, err = raceAt(ctx, s, racers, size); err != nil {
			break // what there is has cost its time
		}
		rows = append(rows, at...)
	}
	fmt.Print(report(m, s, racers, rows))
	return err
}

// raceAt runs the contestants in turns, so that whatever else the machine is
// doing meets them all alike. Who fails is out, here and at larger sizes.
func raceAt(ctx context.Context, s settings, racers []*contestant, size int) ([]row, error) {
	rows := make([]row, 0, len(racers))
	for _, c := range racers {
		if c.failed == "" {
			rows = append(rows, row{size: size, racer: c})
		}
	}
	for round := range s.runs + s.memory {
		for i := range rows {
			r := &rows[i]
			if r.failure != "" {
				continue
			}
			timed := round < s.runs
			got, err := run(ctx, r.racer, heat{size: size, limit: s.limit, endpoints: s.endpoints, timed: timed})
			if errors.Is(err, errBoot) {
				return nil, err
			}
			if err != nil {
				r.failure = err.Error()
				r.racer.failed = r.failure
				fmt.Fprintf(os.Stderr, "%5d peers  %-16s FAILED: %s\n", size, r.racer.name, r.failure)
				continue
			}
			r.add(got, timed)
			fmt.Fprintf(os.Stderr, "%5d peers  %-16s %s\n", size, r.racer.name, got)
		}
	}
	return rows, nil
}
