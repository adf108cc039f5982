package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// oomCounter reads how many processes the kernel killed in this container because its memory was used up.
type oomCounter struct {
	path   string // "" when this machine has no such counter
	before int64
}

// newOOMCounter finds the counter of the cgroup that this process is in, and keeps its value. root is "/" outside tests.
func newOOMCounter(root string) oomCounter {
	membership, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return oomCounter{}
	}
	for _, candidate := range oomCandidates(string(membership)) {
		path := filepath.Join(root, candidate)
		if before, found := oomKills(path); found {
			return oomCounter{path, before}
		}
	}
	return oomCounter{}
}

// risen reports whether processes were killed since the counter was made.
func (c oomCounter) risen() bool {
	if c.path == "" {
		return false
	}
	now, found := oomKills(c.path)
	return found && now > c.before
}

// oomCandidates lists where the counter may be, by the content of /proc/self/cgroup. The path in there is not valid inside a
// container that sees its own cgroup as the root, so the root is tried after it.
func oomCandidates(membership string) []string {
	var candidates []string
	for line := range strings.Lines(membership) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		base, file := "", ""
		switch {
		case fields[0] == "0" && fields[1] == "": // version 2
			base, file = "sys/fs/cgroup", "memory.events"
		case strings.Contains(","+fields[1]+",", ",memory,"): // version 1
			base, file = "sys/fs/cgroup/memory", "memory.oom_control"
		default:
			continue
		}
		candidates = append(candidates, filepath.Join(base, filepath.Join("/", fields[2]), file), filepath.Join(base, file))
	}
	return candidates
}

// oomKills reads the line "oom_kill N", which both versions have.
func oomKills(path string) (count int64, found bool) {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == "oom_kill" {
			count, err = strconv.ParseInt(fields[1], 10, 64)
			return count, err == nil
		}
	}
	return 0, false
}
