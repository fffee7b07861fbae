package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/wgnetifd/wgnetifd/test/router"
	"github.com/wgnetifd/wgnetifd/test/wggo"
)

func main() {
	kernels := flag.String("kernels", strings.Join(pc.packages, ","), "Debian's `packages` of the kernels, separated by commas")
	run := flag.String("run", "", "run only the tests that match the `regexp`")
	bench := flag.String("bench", "", "run the benchmarks that match the `regexp` instead of tests")
	benchTime := flag.String("benchtime", "3x", "how often each benchmark runs, or how `long`")
	verbose := flag.Bool("v", false, "list the tests as they run")
	timeout := flag.Duration("timeout", 40*time.Minute, "how long all may take, downloads too")
	small := flag.String("router", "", "instead of tests, run the `program`, built for mipsel, on a small router")
	racer := flag.String("race", "", "instead of tests, run the `program` that test/race is, with the flags that follow --")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: vm [flags] PACKAGE...\n       vm -router PROGRAM\n       vm [flags] -race PROGRAM [-- FLAG...]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *racer == "" && (flag.NArg() == 0) != (*small != "") {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// Earlier than the machine is stopped: then the test that hangs is named.
	args, machines := []string{"-test.timeout=" + (*timeout / 2).String()}, lanes
	if *run != "" {
		args, machines = append(args, "-test.run="+*run), 1
	}
	if *bench != "" {
		machines = 1
		args = append(args, "-test.run=^$", "-test.bench="+*bench, "-test.benchtime="+*benchTime, "-test.benchmem")
	}
	if *verbose {
		args = append(args, "-test.v")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, *timeout, fmt.Errorf("all took more than %v", *timeout))
	defer cancel()
	var err error
	switch packages := strings.Split(*kernels, ","); {
	case *small != "":
		err = runRouter(ctx, *small)
	case *racer != "":
		err = runRace(ctx, *racer, packages, flag.Args())
	default:
		err = test(ctx, packages, flag.Args(), args, machines)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vm:", err)
		os.Exit(1)
	}
}

// check says what of this machine is missing.
func check(b *board) error {
	for program, pkg := range map[string]string{
		b.qemu: b.qemuPackage, "apt-get": "apt", "dpkg-deb": "dpkg", "kmod": "kmod", "xz": "xz-utils",
	} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is not on PATH: Debian's package %s has it (`make setup` installs what tests need)", program, pkg)
		}
	}
	return nil
}

// preparePC returns kernels for machines that run programs of this one.
func preparePC(packages []string) ([]kernel, error) {
	if runtime.GOARCH != "amd64" {
		return nil, fmt.Errorf("the machines run programs of this one, and so it has to be amd64, not %s", runtime.GOARCH)
	}
	if err := check(&pc); err != nil {
		return nil, err
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	return prepare(cache, &pc, packages)
}

// test tests packages on kernels, each with so many machines that share the tests.
func test(ctx context.Context, kernelPackages, patterns, args []string, machines int) error {
	kernels, err := preparePC(kernelPackages)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "wgnetifd-vm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	packages, err := compile(work, patterns)
	if err != nil {
		return err
	}
	var out sync.Mutex
	var wait sync.WaitGroup
	failures := make([]string, len(kernels)*machines)
	for lane := range machines {
		commands, err := commandLines(packages, args, lane, machines)
		if err != nil {
			return err
		}
		files := filepath.Join(work, fmt.Sprintf("files%d.cpio", lane))
		if err := writeFiles(files, work, packages, commands); err != nil {
			return err
		}
		for n, k := range kernels {
			wait.Go(func() {
				w := &prefixed{mu: &out, w: os.Stdout, prefix: "linux " + k.series + ": "}
				status, err := (&machine{kernel: k, files: files, out: w}).run(ctx)
				if err != nil {
					failures[lane*len(kernels)+n] = fmt.Sprintf("linux %s: %v", k.series, err)
				} else if status != 0 {
					failures[lane*len(kernels)+n] = fmt.Sprintf("linux %s: the tests failed (status %d)", k.series, status)
				}
			})
		}
	}
	wait.Wait()
	failures = slices.DeleteFunc(failures, func(s string) bool { return s == "" })
	if len(failures) > 0 {
		return fmt.Errorf("%s", strings.Join(failures, "\nvm: "))
	}
	return nil
}

// commandLines returns the shell commands that run a lane's share of the tests in a
// machine, and say of each package what go test would.
func commandLines(packages []testPackage, args []string, lane, of int) (string, error) {
	var b strings.Builder
	b.WriteString("export WGNETIFD_VM=1 WGNETIFD_NO_SKIP=1 WGNETIFD_SKIP_LOG=/skipped\n")
	fmt.Fprintf(&b, "export %s=%s %s=%s\n", router.EnvProgram, ownProgram, wggo.EnvProgram, userProgram)
	b.WriteString(`status=0
run() {
	package=$1 binary=$2 begin=$(date +%s)
	shift 2
	if "$binary" "$@"; then
		result='ok  '
	else
		result=FAIL status=1
	fi
	echo "$result $package $(($(date +%s) - begin))s"
}
`)
	for _, p := range packages {
		all := args
		if of > 1 {
			names, err := testsOf(p)
			if err != nil {
				return "", err
			}
			mine := share(names, lane, of)
			if mine == "" {
				continue
			}
			all = append(slices.Clip(args), "-test.run="+mine)
		}
		quoted := make([]string, len(all))
		for n, a := range all {
			quoted[n] = quote(a)
		}
		fmt.Fprintf(&b, "cd %s\nrun %s %s %s\n", quote(p.dir), quote(p.path), quote(guestBinary(p)), strings.Join(quoted, " "))
	}
	b.WriteString("[ ! -s /skipped ] || { echo 'skipped:'; cat /skipped; }\nexit \"$status\"\n")
	return b.String(), nil
}

// quote makes a word of the shell of a string.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// prefixed writes lines with a prefix, whole, while others write to the same.
type prefixed struct {
	mu     *sync.Mutex
	w      io.Writer
	prefix string
}

func (p *prefixed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for line := range bytes.Lines(b) {
		if _, err := fmt.Fprintf(p.w, "%s%s", p.prefix, line); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}
