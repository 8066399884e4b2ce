//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
)

// report is the result of a run.
type report struct {
	Cores     string    `json:"cores"`
	Generator string    `json:"generator,omitempty"`
	Window    string    `json:"window"`
	Rounds    int       `json:"rounds"`
	Versions  []string  `json:"versions"`
	Missing   []missing `json:"missing,omitempty"`
	Results   []result  `json:"results,omitempty"`
	Idle      []idle    `json:"idle,omitempty"`
}

// result is the result of one proxy in one case, over all rounds.
type result struct {
	Case      string  `json:"case"`
	Proxy     string  `json:"proxy"`
	Log       bool    `json:"log"`
	CPU       spread  `json:"cpu_us_per_request"`
	ToNginx   float64 `json:"ratio_to_nginx,omitempty"` // median of the ratios of all rounds; 0 without nginx
	Rate      spread  `json:"requests_per_s"`
	P50       spread  `json:"p50_ms"`
	P99       spread  `json:"p99_ms"`
	MemoryMiB float64 `json:"memory_mib"`
	Errors    int     `json:"errors"` // in the worst round
}

// spread is the distribution of a figure over all rounds.
type spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

// sample is the result of one proxy in one case and round.
type sample struct {
	cpu, rate, p50, p99, memory float64
	errors                      int
}

// measureLoad measures all cases. In each round it measures one proxy after the other. A round 0 warms up.
func (r *report) measureLoad(ctx context.Context, o options, cases []load, running proxies, dir string,
	stderr io.Writer) error {
	name, send, err := chooseGenerator(ctx, o, dir)
	if err != nil {
		return err
	}
	r.Generator = name
	for _, c := range cases {
		samples := make([][]*sample, len(running)) // nil if a round failed
		for round := range o.rounds + 1 {
			fmt.Fprintf(stderr, "%s: round %d of %d\n", c.name, round, o.rounds)
			for i, p := range running {
				s, err := p.measure(ctx, send, c, o.window)
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if err != nil {
					fmt.Fprintf(stderr, "measure %s, access log %s: %v\n", p.name, onOff(p.logs), err)
				}
				if round > 0 {
					samples[i] = append(samples[i], s)
				}
			}
		}
		for i, p := range running {
			if !slices.ContainsFunc(samples[i], func(s *sample) bool { return s != nil }) {
				r.Missing = append(r.Missing, missing{p.name, "no response in case " + c.name})
				continue
			}
			r.Results = append(r.Results, newResult(c, p, samples[i], nginxSamples(running, samples, p.logs)))
		}
	}
	return nil
}

// measure takes one sample.
func (x *proxy) measure(ctx context.Context, send generator, c load, window time.Duration) (*sample, error) {
	pid := x.cmd.Process.Pid
	before, err := used(pid)
	if err != nil {
		return nil, err
	}
	got, err := send(ctx, x.address, c, window)
	if err != nil {
		return nil, err
	}
	after, err := used(pid)
	if err != nil {
		return nil, err
	}
	if got.requests == 0 {
		return nil, fmt.Errorf("no response, %d errors", got.errors)
	}
	if err := x.truncateLog(); err != nil {
		return nil, err
	}
	return &sample{
		cpu:    float64(after.cpu-before.cpu) / float64(time.Microsecond) / float64(got.requests),
		rate:   float64(got.requests) / got.took.Seconds(),
		p50:    float64(got.p50) / float64(time.Millisecond),
		p99:    float64(got.p99) / float64(time.Millisecond),
		memory: float64(after.memory) / (1 << 20),
		errors: got.errors,
	}, nil
}

// nginxSamples returns the samples of nginx with the same logging, or nil without nginx.
func nginxSamples(running proxies, samples [][]*sample, logs bool) []*sample {
	i := slices.IndexFunc(running, func(p *proxy) bool { return p.name == "nginx" && p.logs == logs })
	if i < 0 {
		return nil
	}
	return samples[i]
}

// newResult summarises the samples of one proxy. At least one of them must not be nil.
func newResult(c load, p *proxy, samples, nginx []*sample) result {
	over := func(f func(*sample) float64) spread {
		var values []float64
		for _, s := range samples {
			if s != nil {
				values = append(values, f(s))
			}
		}
		return spreadOf(values)
	}
	r := result{
		Case: c.name, Proxy: p.name, Log: p.logs,
		CPU:       over(func(s *sample) float64 { return s.cpu }),
		Rate:      over(func(s *sample) float64 { return s.rate }),
		P50:       over(func(s *sample) float64 { return s.p50 }),
		P99:       over(func(s *sample) float64 { return s.p99 }),
		MemoryMiB: over(func(s *sample) float64 { return s.memory }).Median,
		Errors:    int(math.Round(over(func(s *sample) float64 { return float64(s.errors) }).High)),
	}
	var ratios []float64
	for i, s := range samples {
		if s != nil && nginx != nil && nginx[i] != nil {
			ratios = append(ratios, s.cpu/nginx[i].cpu)
		}
	}
	if len(ratios) > 0 {
		r.ToNginx = spreadOf(ratios).Median
	}
	return r
}

// spreadOf returns the spread of at least one value.
func spreadOf(values []float64) spread {
	slices.Sort(values)
	n := len(values)
	return spread{Median: (values[(n-1)/2] + values[n/2]) / 2, Low: values[0], High: values[n-1]}
}
