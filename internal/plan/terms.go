package plan

import (
	"fmt"
	"strings"
)

// Field names one of the Inputs. Its value is the plain name, which is used where Terms has no other.
type Field string

const (
	FieldCurrentRPS       Field = "current rate"
	FieldPeakRPS          Field = "peak rate"
	FieldNodeRPS          Field = "rate of one node"
	FieldScaling          Field = "measured fleet sizes"
	FieldMargin           Field = "margin"
	FieldEfficiency       Field = "efficiency"
	FieldCores            Field = "cores"
	FieldBurstiness       Field = "burstiness"
	FieldHA               Field = "high availability"
	FieldStateless        Field = "stateless"
	FieldInstance         Field = "instance type"
	FieldPrices           Field = "price file"
	FieldReadRatio        Field = "read ratio"
	FieldDataSize         Field = "data size"
	FieldWriteRate        Field = "write rate"
	FieldDomains          Field = "domains"
	FieldClearBoundaries  Field = "clear boundaries"
	FieldPool             Field = "connection pool"
	FieldMaxConnections   Field = "maximum number of connections"
	FieldUsers            Field = "users"
	FieldGrowth           Field = "growth"
	FieldMonths           Field = "months"
	FieldRequestsPerUser  Field = "requests per user"
	FieldPeakFactor       Field = "peak factor"
	FieldAvailability     Field = "availability"
	FieldNodeAvailability Field = "node availability"
	FieldCommonCause      Field = "common cause"
	FieldDepends          Field = "dependencies"
)

// Command names something that a user can run. A plan suggests a command only if Terms has a text for it.
type Command string

const (
	CommandMeasureNode  Command = "measure what one node carries"
	CommandMeasureCurve Command = "measure what several fleet sizes carry"
	CommandFindKnee     Command = "search the knee of a service"
	CommandTargetNodes  Command = "tell a load test how many nodes are behind its target"
	CommandRunTwoNodes  Command = "run two nodes of a service"
	CommandExample      Command = "make a small plan"
	CommandHelp         Command = "list the inputs of a plan"
)

// Terms are the words of the program that shows a plan. The zero value names inputs by their plain names and suggests
// no commands.
type Terms struct {
	Inputs   map[Field]string   // how the user sets an input, for example "--peak-rps"
	Commands map[Command]string // what the user runs, for example "tenfold load --nodes 1,2,4"
}

// Sentence is a text that may name inputs and commands. Terms says how.
type Sentence struct {
	format string
	args   []any
}

// newSentence returns a sentence in the format of fmt.Sprintf. Arguments of the types Field, setting and clause are
// written with the words of Terms.
func newSentence(format string, args ...any) Sentence { return Sentence{format, args} }

// setting is an input with an example of its value.
type setting struct {
	field Field
	value string
}

// clause is a part of a sentence that is left out if Terms has no text for its command. The format has one %s.
type clause struct {
	format  string
	command Command
}

// Text returns the sentence with the words of t.
func (s Sentence) Text(t Terms) string {
	args := make([]any, len(s.args))
	for i, arg := range s.args {
		switch v := arg.(type) {
		case Field:
			args[i] = t.input(v)
		case setting:
			args[i] = t.input(v.field) + " " + v.value
		case clause:
			args[i] = t.clause(v)
		default:
			args[i] = arg
		}
	}
	return fmt.Sprintf(s.format, args...)
}

// String returns the sentence with the plain names.
func (s Sentence) String() string { return s.Text(Terms{}) }

func (t Terms) input(f Field) string {
	if text := t.Inputs[f]; text != "" {
		return text
	}
	return string(f)
}

func (t Terms) clause(c clause) string {
	if text := t.Commands[c.command]; text != "" {
		return fmt.Sprintf(c.format, text)
	}
	return ""
}

// InputError reports inputs that contradict each other, are out of range or do not determine anything.
type InputError struct {
	Problems []Sentence
	hint     Sentence
}

func (e *InputError) Error() string { return e.Text(Terms{}) }

// Text returns all problems in the words of t.
func (e *InputError) Text(t Terms) string {
	var texts []string
	for _, p := range e.Problems {
		texts = append(texts, p.Text(t))
	}
	return strings.Join(texts, "; ")
}

// Hint returns what to do next in the words of t. It may be empty.
func (e *InputError) Hint(t Terms) string { return strings.TrimPrefix(e.hint.Text(t), "; ") }
