//go:build linux

// Command load compares the CPU time that a request costs tenfold load, wrk and k6. Each generator is pinned to one core,
// and a tiny backend to another. The rounds of the generators are interleaved in one run.
//
//	go run ./bench/load
//
// The figure is requests per second of the generator's own CPU time. It depends on how busy the generator is. A generator
// that sleeps after every request is woken for every request, and on a small machine waking up costs more than the
// request. So open load is compared with wrk on 32 connections, which never sleeps, and with wrk on one and two
// connections, which sleeps about as often. Generators that are not installed are reported as missing.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

var (
	rounds   = flag.Int("rounds", 5, "measurements of each generator")
	duration = flag.Duration("duration", 3*time.Second, "duration of each measurement")
	users    = flag.Int("users", 32, "connections of a generator that never sleeps; largest number of connections in open load")
	serveOn  = flag.Bool("serve", false, "run only the backend")
)

func main() {
	flag.Parse()
	var err error
	if *serveOn {
		err = serve()
	} else {
		err = compare()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/load:", err)
		os.Exit(1)
	}
}

// contender is a generator to measure.
type contender struct {
	name    string
	program string
	args    func(url string) []string
	count   func(output []byte) (int64, error)
	figures []float64 // requests per second of CPU time, by round
	rates   []float64 // requests per second, by round
}

func (c *contender) foreign() bool { return c.program == "wrk" || c.program == "k6" }

func contenders(dir string) []*contender {
	seconds := strconv.Itoa(int(duration.Seconds()))
	number := func(expression string) func([]byte) (int64, error) {
		pattern := regexp.MustCompile(expression)
		return func(output []byte) (int64, error) {
			m := pattern.FindSubmatch(output)
			if m == nil {
				return 0, fmt.Errorf("no number of requests in the output: %s", output)
			}
			return strconv.ParseInt(string(m[1]), 10, 64)
		}
	}
	tenfold := func(mode ...string) func(string) []string {
		return func(url string) []string {
			return append([]string{"load", url, "--duration", duration.String(), "--warmup", "0s", "--json", "-"}, mode...)
		}
	}
	open := func(rate string) func(string) []string {
		return tenfold("--rate", rate, "--connections", strconv.Itoa(*users))
	}
	wrk := func(connections int) *contender {
		return &contender{
			name: fmt.Sprintf("wrk -c%d", connections), program: "wrk", count: number(`(\d+) requests in`),
			args: func(url string) []string {
				return []string{"-t1", "-c" + strconv.Itoa(connections), "-d" + seconds + "s", "--latency", url}
			},
		}
	}
	own := filepath.Join(dir, "tenfold")
	script := filepath.Join(dir, "k6.js")
	return []*contender{
		{name: fmt.Sprintf("tenfold --users %d", *users), program: own, args: tenfold("--users", strconv.Itoa(*users)), count: tenfoldCount},
		{name: "tenfold --rate 80000", program: own, args: open("80000"), count: tenfoldCount},
		{name: "tenfold --rate 40000", program: own, args: open("40000"), count: tenfoldCount},
		{name: "tenfold --rate 10000", program: own, args: open("10000"), count: tenfoldCount},
		wrk(*users),
		wrk(2),
		wrk(1),
		{
			name: "k6", program: "k6", count: number(`http_reqs[.]*: (\d+)`),
			args: func(url string) []string {
				text := "import http from 'k6/http'; export default function () { http.get('" + url + "') }"
				os.WriteFile(script, []byte(text), 0o600) // a missing script fails k6, which is reported
				return []string{"run", "--quiet", "--vus", strconv.Itoa(*users), "--duration", seconds + "s", script}
			},
		},
	}
}

func tenfoldCount(output []byte) (int64, error) {
	var d struct {
		Steps []struct {
			Requests int64   `json:"requests"`
			Errors   float64 `json:"errors"`
		} `json:"steps"`
	}
	if err := json.Unmarshal(output, &d); err != nil || len(d.Steps) != 1 || d.Steps[0].Errors > 0 {
		return 0, fmt.Errorf("want one step without errors: %s", output)
	}
	return d.Steps[0].Requests, nil
}

func compare() error {
	generatorCore, backendCore, err := twoCores()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-load-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "tenfold"), "./cmd/tenfold")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build tenfold: %w", err)
	}
	url, stop, err := startBackend(backendCore)
	if err != nil {
		return err
	}
	defer stop()
	var present []*contender
	for _, c := range contenders(dir) {
		if _, err := exec.LookPath(c.program); err != nil {
			fmt.Printf("missing: %s\n", c.name)
			continue
		}
		present = append(present, c)
	}
	for round := range *rounds {
		for i := range present {
			c := present[(i+round)%len(present)] // so that no generator is always the first
			if err := c.measure(generatorCore, url); err != nil {
				return fmt.Errorf("measure %s: %w", c.name, err)
			}
		}
	}
	fmt.Printf("generator on core %d, backend on core %d, %d connections, %d rounds of %v\n",
		generatorCore, backendCore, *users, *rounds, *duration)
	printTable(present)
	return nil
}

// measure runs the generator once.
func (c *contender) measure(core int, url string) error {
	cmd := exec.Command("taskset", append([]string{"--cpu-list", strconv.Itoa(core), c.program}, c.args(url)...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, errs.Bytes())
	}
	n, err := c.count(out.Bytes())
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	c.figures = append(c.figures, float64(n)/cpu.Seconds())
	c.rates = append(c.rates, float64(n)/duration.Seconds())
	return err
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

func printTable(all []*contender) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "generator\trequests/s\tper CPU second\tlowest\thighest\t")
	for _, peer := range all {
		if peer.foreign() {
			fmt.Fprintf(w, "of %s\t", peer.name)
		}
	}
	fmt.Fprintln(w)
	for _, c := range all {
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.0f\t%.0f\t", c.name, median(c.rates), median(c.figures), slices.Min(c.figures), slices.Max(c.figures))
		for _, peer := range all {
			if peer.foreign() {
				fmt.Fprintf(w, "%.2f\t", median(c.figures)/median(peer.figures))
			}
		}
		fmt.Fprintln(w)
	}
	w.Flush()
}

// twoCores returns the first two cores that this process may use.
func twoCores() (first, second int, err error) {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return 0, 0, fmt.Errorf("read cores: %w", err)
	}
	var cores []int
	for i := range 64 * len(allowed) {
		if allowed.IsSet(i) {
			cores = append(cores, i)
		}
	}
	if len(cores) < 2 {
		return 0, 0, fmt.Errorf("only one core: the backend needs a second one")
	}
	return cores[0], cores[1], nil
}

// startBackend runs this program as the backend, in another process on that core.
func startBackend(core int) (url string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command("taskset", "--cpu-list", strconv.Itoa(core), self, "-serve")
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start backend: %w", err)
	}
	stop = func() { in.Close(); cmd.Wait() } // it ends with its input
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("start backend: %w", err)
	}
	return "http://" + strings.TrimSpace(address) + "/", stop, nil
}

// response is the response to every request.
const response = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: text/plain\r\n\r\nHello, World!"

// serve responds to every request with as little work as possible, until standard input ends.
func serve() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	go func() { // ends with the process
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go respond(nc)
		}
	}()
	_, err = os.Stdin.Read(make([]byte, 1))
	l.Close()
	if err != nil && err.Error() != "EOF" {
		return err
	}
	return nil
}

func respond(nc net.Conn) {
	defer nc.Close()
	for r := bufio.NewReader(nc); ; {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		if len(line) > 2 { // a header, not the empty line at the end of a request
			continue
		}
		if _, err := nc.Write([]byte(response)); err != nil {
			return
		}
	}
}
