package config

import (
	"slices"
	"strings"
)

// Change is one difference between two configurations, as their effective files show it. It never has a secret.
type Change struct {
	Path   string `json:"path"`   // "limits.idle_timeout", "services.shop.env.LEVEL", "routes[2].rate_limit"
	Action Action `json:"action"` // what happens to the value
	Old    string `json:"old,omitempty"`
	New    string `json:"new,omitempty"`
}

// Action says how a value changes.
type Action string

// The actions.
const (
	Added   Action = "add"
	Removed Action = "remove"
	Changed Action = "change"
)

// Diff returns the differences between two configurations, in the order of the tables of fields. A service is compared
// with the one of the same name. A route is compared with the one of the same conditions; its path has its place in the
// new configuration, and for a removed route in the old one.
func Diff(old, new *Config) (all []Change) {
	before, after := old.document(), new.document()
	routesBefore, routesAfter := before.cut("routes"), after.cut("routes")
	all = append(diffMappings("", before, after), diffEnvFiles(old, new)...)
	return append(all, diffRoutes(old.Routes, new.Routes, routesBefore, routesAfter)...)
}

// document is a mapping as the effective file shows it. Its secrets are masked in the second form of it.
type document struct{ plain, masked []shown }

func (c *Config) document() document {
	return document{showFields(c.fields()), showFields(c.masked().fields())}
}

// find returns both forms of a value, or false.
func (d document) find(key string) (plain, masked any, ok bool) {
	is := func(s shown) bool { return s.key == key }
	i, j := slices.IndexFunc(d.plain, is), slices.IndexFunc(d.masked, is)
	if i < 0 || j < 0 {
		return nil, nil, false
	}
	return d.plain[i].value, d.masked[j].value, true
}

// cut removes a list of mappings and returns it.
func (d *document) cut(key string) (items []document) {
	plain, masked, _ := d.find(key)
	plainItems, _ := plain.([][]shown)
	maskedItems, _ := masked.([][]shown)
	for i := range plainItems {
		items = append(items, document{plainItems[i], maskedItems[i]})
	}
	is := func(s shown) bool { return s.key == key }
	d.plain, d.masked = slices.DeleteFunc(d.plain, is), slices.DeleteFunc(d.masked, is)
	return items
}

// diffMappings compares two mappings below a path.
func diffMappings(path string, old, new document) (all []Change) {
	for _, field := range new.plain {
		at := joinPath(path, field.key)
		b, bMasked, known := old.find(field.key)
		a, aMasked, _ := new.find(field.key)
		inner, wasMapping := b.([]shown)
		newInner, isMapping := a.([]shown)
		wasMapping = wasMapping || !known && at != "services."+field.key // a service is added as a whole
		switch {
		case wasMapping && isMapping:
			innerMasked, _ := bMasked.([]shown)
			newInnerMasked, _ := aMasked.([]shown)
			all = append(all, diffMappings(at, document{inner, innerMasked}, document{newInner, newInnerMasked})...)
		case !known:
			all = append(all, Change{at, Added, "", flow(aMasked)})
		case flow(b) != flow(a):
			all = append(all, Change{at, Changed, flow(bMasked), flow(aMasked)})
		}
	}
	for _, field := range old.plain {
		if _, _, kept := new.find(field.key); kept {
			continue
		}
		at := joinPath(path, field.key)
		if inner, isMapping := field.value.([]shown); isMapping && at != "services."+field.key {
			_, masked, _ := old.find(field.key)
			innerMasked, _ := masked.([]shown)
			all = append(all, diffMappings(at, document{inner, innerMasked}, document{})...)
			continue
		}
		_, masked, _ := old.find(field.key)
		all = append(all, Change{at, Removed, flow(masked), ""})
	}
	return all
}

// diffRoutes compares the routes of two configurations.
func diffRoutes(old, new []Route, before, after []document) (all []Change) {
	var kept []int // the places in the old file of the routes that both have
	for i := range new {
		j := slices.IndexFunc(old, func(r Route) bool { return r.sameConditions(&new[i]) })
		if j < 0 {
			all = append(all, Change{at("routes", i), Added, "", flow(after[i].masked)})
			continue
		}
		kept = append(kept, j)
		all = append(all, diffMappings(at("routes", i), before[j], after[i])...)
	}
	for j := range old {
		if !slices.Contains(kept, j) {
			all = append(all, Change{at("routes", j), Removed, flow(before[j].masked), ""})
		}
	}
	if !slices.IsSorted(kept) {
		all = append(all, Change{Path: "routes", Action: Changed, New: "another order"})
	}
	return all
}

// sameConditions reports whether two routes match the same requests.
func (r *Route) sameConditions(o *Route) bool {
	return r.Host == o.Host && r.Path == o.Path && r.covers(o) && o.covers(r)
}

// flow returns a value of a field on one line.
func flow(value any) string {
	var parts []string
	switch v := value.(type) {
	case string:
		return plain(v)
	case []string:
		for _, word := range v {
			parts = append(parts, plain(word))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case []shown:
		for _, field := range v {
			parts = append(parts, plain(field.key)+": "+flow(field.value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case [][]shown:
		for _, item := range v {
			parts = append(parts, flow(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return ""
}
