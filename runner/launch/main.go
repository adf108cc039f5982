// Command launch starts a process when what it needs answers.
//
// It runs inside the pods of an environment, in any image, usually as PID 1 with a read-only root file system.
// README.md in this folder describes its use.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

// version is set when the program is built: -ldflags "-X main.version=0.1.0".
var version = "dev"

// Exit statuses of the launcher itself. The command's own status is handed on unchanged, 128 + signal when a signal ended it.
const (
	exitUsage         = 64  // the arguments can't be right
	exitIO            = 74  // a file, folder or port of the launcher's own can't be used
	exitGateTimeout   = 75  // not everything answered in time
	exitRunTimeout    = 124 // the command ran longer than --run-timeout
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignal        = 128 // plus the number of the signal
)

const usage = `launch starts a command when what it needs answers.

  launch run [flags] -- COMMAND ARG...   wait, then run the command
  launch wait [flags]                    wait, then exit 0
  launch copy SOURCE TARGET              copy the files of a folder into another
  launch workdir [--optional] SOURCE TARGET
                                         make a writable copy of an image's folder, if it has one, in an empty one
  launch bundle [flags] URL DIGEST TARGET
                                         fetch a bundle and lay it over a folder
  launch clone URL...                    make databases anew as copies; see --clone
  launch version

Flags of run and wait:
  --wait NAME=URL         something needed; repeatable. URLs:
                            postgres://USER@HOST:5432/DATABASE?password-env=VARIABLE
                            s3://HOST:9000   redis://HOST:6379?password-env=VARIABLE&cluster=true
                            temporal://HOST:7233?namespace=default&namespace=other
                            http://HOST:PORT/PATH   tcp://HOST:PORT   grpc://HOST:PORT[/SERVICE]
  --timeout 300s          for all of them together, from the start of this process
  --gates FILE            append each event of the waiting as a line of JSON
  --termination-log FILE  where one line for people goes when the launcher gives up (/dev/termination-log)
  --workdir SOURCE:TARGET make a writable copy of an image's folder in an empty one first; repeatable
  --bundle URL            fetch a .tar.gz while waiting, with the token in $SEATRIAL_BUNDLE_TOKEN
  --bundle-digest sha256:HEX    of its bytes
  --bundle-target FOLDER        what it is laid over
  --bundle-unpacked-limit 1GiB, --bundle-entries 100000

Flags of run:
  --record FILE           write how the command ended, as JSON, when it has ended
  --key FILE              wait for this file, delete it, and begin the record with the line in it
  --output FILE           copy the command's output to FILE as well
  --output-limit 50MiB    how much of it
  --run-timeout 30m       stop the command after this time
  --beacon :7070          when the command has succeeded, stay and answer HTTP 200 on this address
  --clone URL             when the command has succeeded, make a database anew as a copy; repeatable:
                            postgres://USER@HOST:5432/DATABASE?template=OTHER&password-env=VARIABLE
  --prepend-env K=V       put V and a colon before the present value of K; repeatable
  --copy SOURCE:TARGET    copy the files of a folder first; repeatable
  --chdir FOLDER          where to run the command
  --forward PORT=HOST:PORT  reach HOST:PORT on 127.0.0.1 and ::1 while the command runs; repeatable
  --python                run the first of python and python3 on PATH with the arguments
`

func main() {
	started := time.Now()
	os.Exit(launch(os.Args[1:], started))
}

// launch does what the arguments ask for and returns the exit status. It does not return when the command replaces this process.
func launch(args []string, started time.Time) int {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return exitUsage
	}
	switch args[0] {
	case "run", "wait":
		options, err := parseOptions(args[0], args[1:], os.LookupEnv)
		if errors.Is(err, flag.ErrHelp) {
			fmt.Print(usage)
			return 0
		}
		if err != nil {
			return giveUp(failure{exitUsage, codeUsage, err.Error() + " (`launch help` lists the flags)"}, options.terminationLog)
		}
		return run(options, started)
	case "copy", "workdir":
		if err := copyCommand(args[0], args[1:]); err != nil {
			return giveUp(asFailure(err), defaultTerminationLog)
		}
		return 0
	case "bundle":
		o, err := parseBundle(args[1:], os.LookupEnv)
		if err == nil {
			err = o.bundle.fetch(started.Add(o.timeout)).lay(nil, nil, started)
		} else {
			err = failure{exitUsage, codeUsage, err.Error() + " (`launch help` lists the flags)"}
		}
		if err != nil {
			return giveUp(asFailure(err), o.terminationLog)
		}
		return 0
	case "clone":
		if err := cloneCommand(args[1:]); err != nil {
			return giveUp(asFailure(err), defaultTerminationLog)
		}
		return 0
	case "version", "--version":
		fmt.Println(version)
		return 0
	case "help", "--help", "-h":
		fmt.Print(usage)
		return 0
	}
	return giveUp(failure{exitUsage, codeUsage, fmt.Sprintf("unknown command %q: use run, wait, copy, workdir, bundle, clone or version", args[0])}, defaultTerminationLog)
}

// cloneCommand does `launch clone`.
func cloneCommand(addresses []string) error {
	var clones []*clone
	add := cloneFlag(&clones, os.LookupEnv)
	for _, address := range addresses {
		if err := add(address); err != nil {
			return failure{exitUsage, codeUsage, err.Error()}
		}
	}
	for _, clone := range clones {
		if err := clone.make(); err != nil {
			return err
		}
	}
	return nil
}

// copyCommand does `launch copy` and `launch workdir`.
func copyCommand(command string, folders []string) error {
	optional := command == "workdir" && len(folders) > 0 && folders[0] == "--optional"
	if optional {
		folders = folders[1:]
	}
	switch {
	case len(folders) != 2:
		return failure{exitUsage, codeUsage, fmt.Sprintf("%[1]s takes two folders: launch %[1]s SOURCE TARGET", command)}
	case command == "copy":
		return copyFolder(folders[0], folders[1])
	case optional && isAbsent(folders[0]):
		return nil
	}
	return copyWorkdir(folders[0], folders[1], true)
}

// logf writes a line of the launcher's own to stderr, which the command shares.
func logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "seatrial: "+format+"\n", args...)
}
