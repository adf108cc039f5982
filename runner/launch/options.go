package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

const defaultTimeout = 300 * time.Second

// options are the flags of `run` and `wait`.
type options struct {
	dependencies   []*dependency
	timeout        time.Duration
	gates          string
	terminationLog string

	command     []string // empty for `wait`
	python      bool
	prepend     []pair
	copies      []pair
	workdirs    []pair
	chdir       string
	beacon      string
	record      string
	key         string
	output      string
	outputLimit int64
	runTimeout  time.Duration
	bundle      *bundle // nil without --bundle
	forwards    []forward
	clones      []*clone
}

// pair is the two sides of a flag's value: K=V or SOURCE:TARGET.
type pair struct{ left, right string }

// supervised reports whether the launcher has work to do after the command's start; otherwise the command replaces it.
func (o options) supervised() bool {
	return o.record != "" || o.beacon != "" || o.output != "" || o.runTimeout > 0 || len(o.forwards) > 0 || len(o.clones) > 0
}

// parseOptions reads the arguments of `run` or `wait`. env looks up the environment variables that hold passwords.
func parseOptions(command string, args []string, env func(string) (string, bool)) (options, error) {
	o := options{}
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Func("wait", "", func(value string) error {
		dependency, err := parseDependency(value, env)
		if err != nil {
			return err
		}
		for _, other := range o.dependencies {
			if other.name == dependency.name {
				return fmt.Errorf("the name %s is given twice", other.name)
			}
		}
		o.dependencies = append(o.dependencies, dependency)
		return nil
	})
	o.timeout = defaultTimeout
	flags.Func("timeout", "", durationFlag(&o.timeout))
	flags.StringVar(&o.gates, "gates", "", "")
	flags.StringVar(&o.terminationLog, "termination-log", defaultTerminationLog, "")
	b := newBundle()
	flags.StringVar(&b.url, "bundle", "", "")
	flags.StringVar(&b.target, "bundle-target", "", "")
	bundleFlags(flags, b)
	flags.Func("bundle-digest", "", digestFlag(&b.digest))
	flags.Func("workdir", "", pairFlag(&o.workdirs, ":", "SOURCE:TARGET"))
	if command == "run" {
		flags.Func("forward", "", forwardFlag(&o.forwards))
		flags.Func("clone", "", cloneFlag(&o.clones, env))
		flags.StringVar(&o.beacon, "beacon", "", "")
		flags.StringVar(&o.record, "record", "", "")
		flags.StringVar(&o.key, "key", "", "")
		flags.StringVar(&o.output, "output", "", "")
		o.outputLimit = 50 << 20
		flags.Func("output-limit", "", func(value string) (err error) {
			o.outputLimit, err = parseSize(value)
			return err
		})
		flags.Func("run-timeout", "", durationFlag(&o.runTimeout))
		flags.Func("prepend-env", "", pairFlag(&o.prepend, "=", "K=V"))
		flags.Func("copy", "", pairFlag(&o.copies, ":", "SOURCE:TARGET"))
		flags.StringVar(&o.chdir, "chdir", "", "")
		flags.BoolVar(&o.python, "python", false, "")
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.command = flags.Args()
	if b.url != "" || b.target != "" || b.digest != "" {
		if err := b.check(env); err != nil {
			return o, err
		}
		o.bundle = b
	}
	switch {
	case command == "wait" && len(o.command) > 0:
		return o, fmt.Errorf("wait runs no command, but got %q: use `launch run`", o.command[0])
	case command == "run" && len(o.command) == 0:
		return o, errors.New("run needs a command after --")
	}
	return o, nil
}

// parseBundle reads the arguments of `bundle`.
func parseBundle(args []string, env func(string) (string, bool)) (options, error) {
	o := options{timeout: defaultTimeout, bundle: newBundle()}
	flags := flag.NewFlagSet("bundle", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Func("timeout", "", durationFlag(&o.timeout))
	flags.StringVar(&o.terminationLog, "termination-log", defaultTerminationLog, "")
	bundleFlags(flags, o.bundle)
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() != 3 {
		return o, errors.New("bundle takes three arguments: URL DIGEST TARGET")
	}
	o.bundle.url, o.bundle.target = flags.Arg(0), flags.Arg(2)
	if err := digestFlag(&o.bundle.digest)(flags.Arg(1)); err != nil {
		return o, fmt.Errorf("%q: %w", flags.Arg(1), err)
	}
	return o, o.bundle.check(env)
}

func durationFlag(target *time.Duration) func(string) error {
	return func(value string) error {
		duration, err := time.ParseDuration(value)
		if err != nil || duration <= 0 {
			return errors.New("not a time above zero such as 90s or 30m")
		}
		*target = duration
		return nil
	}
}

func pairFlag(target *[]pair, separator, form string) func(string) error {
	return func(value string) error {
		left, right, found := strings.Cut(value, separator)
		if !found || left == "" || right == "" {
			return fmt.Errorf("not of the form %s", form)
		}
		*target = append(*target, pair{left, right})
		return nil
	}
}

// parseSize reads a number of bytes: 1048576, 64KiB, 50MiB, 1GiB.
func parseSize(value string) (int64, error) {
	number, unit := value, int64(1)
	for suffix, size := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if before, found := strings.CutSuffix(value, suffix); found {
			number, unit = before, size
		}
	}
	count, err := strconv.ParseInt(number, 10, 64)
	if err != nil || count < 0 || count > math.MaxInt64/unit {
		return 0, errors.New("not a size such as 64KiB, 50MiB or 1GiB")
	}
	return count * unit, nil
}

// sizeText is the reverse of parseSize, in the largest unit that keeps it whole.
func sizeText(size int64) string {
	switch {
	case size >= 1<<30 && size%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", size>>30)
	case size >= 1<<20 && size%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", size>>20)
	case size >= 1<<10 && size%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", size>>10)
	}
	return fmt.Sprintf("%d bytes", size)
}
