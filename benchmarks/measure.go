package main

// Measuring: things take turns, and what is reported are medians over the turns.

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// subject is one thing to measure: run does it n times and fails when any of them did not come out
// right. Without run there is nothing to measure.
type subject struct {
	name     string
	run      func(n int) error
	parallel bool // allocations cannot be told apart
}

// each makes a subject of something done once.
func each(name string, do func() error) subject {
	return subject{name: name, run: func(n int) error {
		for range n {
			if err := do(); err != nil {
				return err
			}
		}
		return nil
	}}
}

// together makes a subject of workers that share n between them.
func together(name string, workers []func() error) subject {
	return subject{name: name, parallel: true, run: func(n int) error {
		var left atomic.Int64
		left.Store(int64(n))
		errs := make([]error, len(workers))
		var wg sync.WaitGroup
		for i, work := range workers {
			wg.Go(func() {
				for errs[i] == nil && left.Add(-1) >= 0 {
					errs[i] = work()
				}
			})
		}
		wg.Wait()
		return errors.Join(errs...)
	}}
}

// series has the nanoseconds one operation took, by round.
type series []float64

func (s series) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

// per returns the quotients of the same round.
func (s series) per(other series) series {
	out := make(series, len(s))
	for i := range s {
		out[i] = s[i] / other[i]
	}
	return out
}

// minus returns the differences of the same round.
func (s series) minus(other series) series {
	out := make(series, len(s))
	for i := range s {
		out[i] = s[i] - other[i]
	}
	return out
}

// compare lets the subjects take turns: A, B, C, A, B, C. The garbage of one is collected before
// the next begins.
func (p plan) compare(subjects []subject) ([]series, error) {
	counts := make([]int, len(subjects))
	for i, s := range subjects {
		if s.run == nil {
			continue
		}
		n, err := p.calibrate(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		counts[i] = n
	}
	results := make([]series, len(subjects))
	for range p.rounds {
		for i, s := range subjects {
			if s.run == nil {
				continue
			}
			runtime.GC()
			start := time.Now()
			if err := s.run(counts[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			results[i] = append(results[i], float64(time.Since(start))/float64(counts[i]))
		}
	}
	return results, nil
}

const maxCount = 1 << 20

// calibrate finds how many operations fill a slice, and warms up. Workers get longer ones: they
// begin and end one by one.
func (p plan) calibrate(s subject) (int, error) {
	if s.parallel {
		p.slice *= 3
	}
	for n := 1; ; n *= 2 {
		start := time.Now()
		if err := s.run(n); err != nil {
			return 0, err
		}
		if took := time.Since(start); took > p.slice/2 || n >= maxCount {
			return min(max(1, int(float64(n)*float64(p.slice)/float64(took))), maxCount), nil
		}
	}
}

// allocs counts the allocations of one operation.
func allocs(s subject) float64 {
	if s.parallel {
		return -1
	}
	return testing.AllocsPerRun(100, func() { _ = s.run(1) }) // it ran without error before
}
