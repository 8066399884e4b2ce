package config

import (
	"cmp"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

// Overrides are values from the command line that replace those of the file. An empty field keeps the value of the file.
type Overrides struct {
	Listen    []string
	Admin     string // the address; the token stays that of the file
	Store     string
	Access    string    // on or off
	LogFormat LogFormat // of --log, where "auto" is no override
	LogFile   string
}

// Override puts o into c, with the same checks as for values of the file. An error is of type Problems.
func (c *Config) Override(o Overrides) error {
	var problems Problems
	note := func(flag string, err error) {
		if err != nil {
			problems = append(problems, strictyaml.ProblemAt(flag, err))
		}
	}
	if len(o.Listen) > 0 {
		c.Listen = nil
	}
	for _, a := range o.Listen {
		address, err := parseListen(a)
		note("--listen", err)
		c.Listen = append(c.Listen, address)
	}
	if o.Admin != "" {
		address, err := parseAdminListen(o.Admin)
		note("--admin", err)
		c.Admin.Listen = address
	}
	if o.Store != "" {
		note("--store", checkStore(o.Store))
		c.Store = o.Store
	}
	if o.Access != "" {
		c.Log.Access = o.Access == "on"
	}
	if o.LogFormat != "" && o.LogFormat != LogAuto {
		c.Log.Format = o.LogFormat
	}
	if o.LogFile != "" {
		c.Log.File = o.LogFile
	}
	if problems == nil {
		v := validation{broken: func(string) bool { return false }}
		v.listeners(c)
		problems = v.problems
	}
	if problems == nil {
		return nil
	}
	return problems
}

// StoreVariable is the environment variable that names the store: for nodes, and for tenfold when the store is "auto".
const StoreVariable = "REDIS_URL"

// UseStoreVariable makes the store that StoreVariable names in the environment of tenfold, or in a .env without a
// tenfold.yaml, the store of c, if c has "auto". Notes says so then. An error is of type Problems.
func (c *Config) UseStoreVariable(getenv func(string) string) error {
	store := getenv(StoreVariable)
	if c.ownEnv && len(c.Services) > 0 {
		store = cmp.Or(c.Services[0].fileEnv[StoreVariable], store)
	}
	if c.Store != "auto" || store == "" || store == "auto" || store == "none" {
		return nil
	}
	if err := checkStore(store); err != nil {
		p := strictyaml.ProblemAt("the environment variable "+StoreVariable, err)
		p.Hint = "store: auto takes the store from this variable: set it to redis://HOST:PORT, unset it, or name the store with --store"
		return Problems{p}
	}
	c.Store, c.storeVariable = store, true
	return nil
}
