package main

// What is reported, and how it is printed.

import (
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"
	"time"
)

type report struct {
	Machine      string        `json:"machine"`
	Measurements []measurement `json:"measurements"`
	Goals        []goal        `json:"goals"`
}

// measurement is one line. Ratio is a median of per-round quotients, RatioOf says of what.
type measurement struct {
	Group   string  `json:"group"`
	Name    string  `json:"name"`
	Nanos   float64 `json:"median_ns,omitempty"`
	Allocs  float64 `json:"allocs"` // of one operation; -1: not counted
	Ratio   float64 `json:"ratio,omitempty"`
	RatioOf string  `json:"ratio_of,omitempty"`
	Note    string  `json:"note,omitempty"`
}

// fill sets what was measured. own is what the subject is compared to; ratioOf says how.
func (m *measurement) fill(s subject, result, own series, ratioOf string) {
	m.Allocs = -1
	if s.run == nil {
		return
	}
	m.Nanos, m.Allocs = result.median(), allocs(s)
	if own != nil {
		m.Ratio, m.RatioOf = own.per(result).median(), ratioOf
	}
}

// addAll adds the results of one group, with the ratio of own to each.
func (r *report) addAll(group string, subjects []subject, results []series, own series, ratioOf string) (added []measurement) {
	for i, s := range subjects {
		m := measurement{Group: group, Name: s.name}
		m.fill(s, results[i], own, ratioOf)
		r.add(m)
		added = append(added, m)
	}
	return added
}

// goal is a limit and what was measured against it.
type goal struct {
	What     string  `json:"what"`
	Measured float64 `json:"measured"`
	Limit    float64 `json:"limit"`
	AtLeast  bool    `json:"at_least"` // otherwise at most
	Reached  bool    `json:"reached"`
}

func newReport(p plan) *report {
	return &report{Machine: fmt.Sprintf("%s, %s/%s, %d processors, %d rounds of %v",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), p.rounds, p.slice)}
}

func (r *report) add(m measurement) { r.Measurements = append(r.Measurements, m) }

func (r *report) atMost(what string, limit, measured float64) {
	r.Goals = append(r.Goals, goal{What: what, Measured: measured, Limit: limit, Reached: measured <= limit})
}

func (r *report) atLeast(what string, limit, measured float64) {
	r.Goals = append(r.Goals, goal{What: what, Measured: measured, Limit: limit, AtLeast: true, Reached: measured >= limit})
}

func (r *report) print(w io.Writer) error {
	fmt.Fprintln(w, r.Machine)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	group := ""
	for _, m := range r.Measurements {
		if m.Group != group {
			group = m.Group
			fmt.Fprintf(t, "\n%s\tmedian\tallocs\tratio\t\n", group)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", m.Name, duration(m.Nanos), count(m.Allocs), quotient(m.Ratio, m.RatioOf), m.Note)
	}
	fmt.Fprint(t, "\ngoals\tmeasured\tgoal\treached\n")
	for _, g := range r.Goals {
		sign, reached := "<=", "no"
		if g.AtLeast {
			sign = ">="
		}
		if g.Reached {
			reached = "yes"
		}
		fmt.Fprintf(t, "%s\t%.3g\t%s %.3g\t%s\n", g.What, g.Measured, sign, g.Limit, reached)
	}
	return t.Flush()
}

func duration(nanos float64) string {
	if nanos == 0 {
		return ""
	}
	d := time.Duration(nanos)
	switch {
	case d < time.Microsecond:
		return d.String()
	case d < time.Millisecond:
		return d.Round(10 * time.Nanosecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

func count(n float64) string {
	if n < 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", n)
}

func quotient(ratio float64, of string) string {
	if of == "" {
		return ""
	}
	return fmt.Sprintf("%.2f %s", ratio, of)
}
