package journey

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
)

// table is the rows of a CSV file. Each visit uses one row, in order. After the last row the first one follows.
type table struct {
	columns map[string]int
	rows    [][]string
}

const (
	maxTable = 64 << 20 // bytes
	maxRows  = 1_000_000
)

// readTable reads a CSV file whose first line names the columns. It fails if a column name is not valid, a row has too
// few or too many fields, or the file is empty or too large.
func readTable(file string) (*table, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	limited := &io.LimitedReader{R: f, N: maxTable + 1}
	r := csv.NewReader(limited)
	head, err := r.Read()
	if err == io.EOF {
		return nil, wrong("the first line names the columns", "%s is empty", file)
	} else if err != nil {
		return nil, csvProblem(file, err)
	}
	t := &table{columns: map[string]int{}}
	for i, name := range head {
		if _, twice := t.columns[name]; twice || !validVariable.MatchString("x."+name) {
			return nil, wrong("the first line names the columns: letters, digits, - and _, each once",
				"%s: column %s", file, quote(name))
		}
		t.columns[name] = i
	}
	for {
		row, err := r.Read() // fails if the number of fields differs from the first line
		switch {
		case err == io.EOF && limited.N > 0 && len(t.rows) > 0:
			return t, nil
		case err == io.EOF && len(t.rows) == 0:
			return nil, wrong("each visit uses one row; after the last row the first one follows", "%s has no rows", file)
		case limited.N == 0, len(t.rows) == maxRows:
			return nil, wrong("", "%s is larger than %d MiB or %d rows", file, maxTable>>20, maxRows)
		case err != nil:
			return nil, csvProblem(file, err)
		}
		t.rows = append(t.rows, row)
	}
}

// csvProblem adds the place in the file to an error of the CSV reader.
func csvProblem(file string, err error) error {
	var p *csv.ParseError
	if errors.As(err, &p) {
		if errors.Is(p.Err, csv.ErrFieldCount) {
			return wrong("each row must have as many fields as the first line",
				"%s:%d: too few or too many fields", file, p.Line)
		}
		return wrong("", "%s:%d: %v", file, p.Line, p.Err)
	}
	return fmt.Errorf("read %s: %w", file, err)
}

// value returns the value of a column for the visit with that number.
func (t *table) value(number int64, column string) (string, bool) {
	i, ok := t.columns[column]
	if !ok {
		return "", false
	}
	return t.rows[number%int64(len(t.rows))][i], true
}
