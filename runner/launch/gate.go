package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	probeEvery   = 20 * time.Millisecond // between the end of one attempt and the start of the next, of the dependency that is waited for first
	probeOthers  = 10 * probeEvery       // of those behind it: the gate can't open before the first one answers anyway
	probeTimeout = 2 * time.Second       // of one attempt
	lostTimeout  = time.Second           // of the one attempt that shows whether a dependency was lost
	remindEvery  = 10 * time.Second      // how often a waiting gate says in the log what it waits for
)

// unready is a dependency that does not answer, and why.
type unready struct {
	Name   string `json:"name"`
	Error  string `json:"error"`
	Code   string `json:"code,omitempty"` // codeAddressSilent, or none
	target string
}

func (u unready) String() string { return fmt.Sprintf("%s (%s: %s)", u.Name, u.target, u.Error) }

func joined(all []unready) string {
	texts := make([]string, len(all))
	for i, one := range all {
		texts[i] = one.String()
	}
	return strings.Join(texts, ", ")
}

// gate waits for dependencies.
type gate struct {
	dependencies []*dependency
	journal      *journal
	started      time.Time // of the process: what "seconds" in the journal are counted from

	mu     sync.Mutex
	ready  map[string]bool
	errors map[string]string        // the last one of each
	heard  map[string]bool          // whether its address ever answered anything, a refusal included
	silent map[string]bool          // whether the last attempt found an address that answers nothing
	first  map[string]chan struct{} // of each, closed once all before it are ready
}

// wait returns nil once every dependency has been ready, or, when ctx is done first, those that have not.
func (g *gate) wait(ctx context.Context) []unready {
	g.ready, g.errors, g.first = map[string]bool{}, map[string]string{}, map[string]chan struct{}{}
	g.heard, g.silent = map[string]bool{}, map[string]bool{}
	for _, dependency := range g.dependencies {
		g.first[dependency.name] = make(chan struct{})
	}
	g.advance()
	opened := make(chan *dependency, len(g.dependencies))
	for _, dependency := range g.dependencies {
		g.journal.write(event{Event: "waiting", Name: dependency.name})
		go g.ask(ctx, dependency, opened)
	}
	remind := time.NewTicker(remindEvery)
	defer remind.Stop()
	for missing := len(g.dependencies); missing > 0; {
		select {
		case dependency := <-opened:
			missing--
			g.journal.write(event{Event: "ready", Name: dependency.name, Seconds: g.seconds()})
		case <-remind.C:
			logf("waiting for %.0f s: %s", time.Since(g.started).Seconds(), joined(g.notReady()))
		case <-ctx.Done():
			if notReady := g.notReady(); len(notReady) > 0 {
				return notReady
			}
		}
	}
	g.journal.write(event{Event: "open", Seconds: g.seconds()})
	return nil
}

func (g *gate) seconds() *float64 {
	seconds := float64(time.Since(g.started).Microseconds()) / 1e6
	return &seconds
}

// ask probes one dependency until it is ready or ctx is done.
func (g *gate) ask(ctx context.Context, dependency *dependency, opened chan<- *dependency) {
	for {
		attempt, cancel := context.WithTimeout(ctx, probeTimeout)
		err := dependency.probe(attempt)
		cancel()
		if err == nil {
			g.mu.Lock()
			g.ready[dependency.name] = true
			g.mu.Unlock()
			g.advance()
			opened <- dependency
			return
		}
		if deadline, has := ctx.Deadline(); ctx.Err() != nil || has && !time.Now().Before(deadline) {
			return // the error is only that time is up
		}
		g.note(dependency.name, err)
		if !g.pause(ctx, dependency) {
			return
		}
	}
}

// note keeps what an attempt showed.
func (g *gate) note(name string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	nothing, isNothing := errors.AsType[nothingHeardError](err)
	g.errors[name] = plain(err, probeTimeout)
	g.silent[name] = isNothing && nothing.silent
	g.heard[name] = g.heard[name] || !isNothing
}

// pause waits until it is time for the next attempt; false when ctx is done.
func (g *gate) pause(ctx context.Context, dependency *dependency) bool {
	first := g.first[dependency.name]
	short, long := time.NewTimer(probeEvery), time.NewTimer(probeOthers)
	defer short.Stop()
	defer long.Stop()
	select {
	case <-short.C:
	case <-ctx.Done():
		return false
	}
	select {
	case <-first:
	case <-long.C:
	case <-ctx.Done():
		return false
	}
	return true
}

// advance notifies the first dependency that is not ready yet.
func (g *gate) advance() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, dependency := range g.dependencies {
		if g.ready[dependency.name] {
			continue
		}
		select {
		case <-g.first[dependency.name]:
		default:
			close(g.first[dependency.name])
		}
		return
	}
}

func (g *gate) notReady() []unready {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []unready
	for _, dependency := range g.dependencies {
		if g.ready[dependency.name] {
			continue
		}
		text, known := g.errors[dependency.name]
		if !known {
			text = "no answer"
		}
		code := ""
		if g.silent[dependency.name] && !g.heard[dependency.name] {
			code = codeAddressSilent
		}
		all = append(all, unready{dependency.name, text, code, dependency.target})
	}
	return all
}

// lost asks every dependency once more, all at the same time, and returns those that no longer answer.
func lost(dependencies []*dependency) []unready {
	ctx, cancel := context.WithTimeout(context.Background(), lostTimeout)
	defer cancel()
	answers := make([]error, len(dependencies))
	var group sync.WaitGroup
	for i, dependency := range dependencies {
		group.Go(func() { answers[i] = dependency.probe(ctx) })
	}
	group.Wait()
	all := []unready{}
	for i, dependency := range dependencies {
		if answers[i] != nil {
			all = append(all, unready{dependency.name, plain(answers[i], lostTimeout), "", dependency.target})
		}
	}
	return all
}
