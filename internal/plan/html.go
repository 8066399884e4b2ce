package plan

import (
	"bytes"
	_ "embed"
	"html/template"
	"io"
	"strings"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Funcs(template.FuncMap{"upper": strings.ToUpper}).Parse(pageSource))

// WriteHTML writes the plan as one page that needs nothing else: no script, no style sheet, no font, no picture.
func (a *Answer) WriteHTML(w io.Writer) error {
	type view struct {
		About, Answer string
		Groups        []struct {
			Label string
			Texts []string
		}
	}
	var views []view
	for _, s := range a.sections() {
		v := view{About: s.about, Answer: s.answer}
		for _, g := range s.groups {
			v.Groups = append(v.Groups, struct {
				Label string
				Texts []string
			}{g.label, g.texts})
		}
		views = append(views, v)
	}
	var b bytes.Buffer // whole before the first byte is written
	err := page.Execute(&b, struct {
		Chart    *chart
		Sections []view
	}{newChart(a), views})
	if err != nil {
		return err
	}
	_, err = w.Write(b.Bytes())
	return err
}
