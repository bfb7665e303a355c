// Command benchmarks measures oxdauth beside other ways to do the same, in one run and on the
// machine it runs on. What is compared takes turns, and ratios are taken turn by turn, so that a
// busy machine slows both sides. It uses loopback only.
//
//	go run ./benchmarks           all of it, under three minutes
//	go run ./benchmarks -quick    a glance, under twenty seconds
//	go run ./benchmarks -json     the same as JSON
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

func main() {
	quick := flag.Bool("quick", false, "few and short rounds")
	asJSON := flag.Bool("json", false, "print JSON")
	flag.Parse()
	p := full
	if *quick {
		p = glance
	}
	if err := run(os.Stdout, p, *asJSON); err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

// plan says how long to measure.
type plan struct {
	rounds int
	slice  time.Duration // of one thing in one round
	// What cannot be had without work of its own is built while this lasts, at most up to the
	// number.
	sessions  int
	building  time.Duration
	maxRoutes int
	maxRules  int
}

var (
	full   = plan{rounds: 31, slice: 10 * time.Millisecond, sessions: 1_000_000, building: 80 * time.Second, maxRoutes: 10_000, maxRules: 1000}
	glance = plan{rounds: 3, slice: 2 * time.Millisecond, sessions: 1_000, building: time.Second, maxRoutes: 100, maxRules: 10}
)

// run measures everything and prints it.
func run(w io.Writer, p plan, asJSON bool) error {
	r := newReport(p)
	for _, suite := range suites {
		if err := suite.measure(r, p); err != nil {
			return fmt.Errorf("%s: %w", suite.name, err)
		}
	}
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	return r.print(w)
}

var suites = []struct {
	name    string
	measure func(*report, plan) error
}{
	{"read", measureRead},
	{"forged", measureForged},
	{"write", measureWrite},
	{"request", measureRequest},
	{"check", measureCheck},
	{"grant", measureGrant},
	{"rules", measureRules},
	{"sessions", measureSessions},
	{"processors", measureProcessors},
}
