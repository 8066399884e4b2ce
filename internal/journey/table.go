package journey

import (
	"errors"
	"fmt"
	"io"

	"github.com/tenfold-go/tenfold/internal/usertext"
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
	text, err := usertext.ReadFile(file, maxTable)
	if err != nil {
		return nil, tableProblem(file, err)
	}
	rows := usertext.NewCSV(text)
	t := &table{}
	head, err := rows.Read()
	switch {
	case err == io.EOF:
		return nil, wrong("the first line names the columns", "%s is empty", file)
	case err != nil:
		return nil, tableProblem(file, err)
	}
	if t.columns, err = tableColumns(file, head); err != nil {
		return nil, err
	}
	for {
		row, err := rows.Read()
		switch {
		case err == io.EOF && len(t.rows) > 0:
			return t, nil
		case err == io.EOF:
			return nil, wrong("each visit uses one row; after the last row the first one follows", "%s has no rows", file)
		case err != nil:
			return nil, tableProblem(file, err)
		case len(row) != len(head):
			return nil, wrong("each row must have as many fields as the first line",
				"%s:%d: too few or too many fields: %d instead of %d", file, rows.Line(), len(row), len(head))
		case len(t.rows) == maxRows:
			return nil, wrong("", "%s has more than %d rows", file, maxRows)
		}
		t.rows = append(t.rows, row)
	}
}

// tableColumns returns the number of each column.
func tableColumns(file string, head []string) (map[string]int, error) {
	columns := map[string]int{}
	for i, name := range head {
		if _, twice := columns[name]; twice || !validVariable.MatchString("x."+name) {
			return nil, wrong("the first line names the columns: letters, digits, - and _, each once; commas, "+
				"semicolons or tabs separate them", "%s: column %s", file, quote(name))
		}
		columns[name] = i
	}
	return columns, nil
}

// tableProblem adds the name of the file, and the line if it is known, to an error.
func tableProblem(file string, err error) error {
	if p := (*usertext.Error)(nil); errors.As(err, &p) {
		if p.Line > 0 {
			return wrong(p.Hint(), "%s:%d: %s", file, p.Line, p.Message)
		}
		return wrong(p.Hint(), "%s: %s", file, p.Message)
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
