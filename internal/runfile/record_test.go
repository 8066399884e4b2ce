package runfile

import "testing"

func TestFind(t *testing.T) {
	all := []Record{
		{Directory: "/home/me/shop", StartedIn: "/home/me/shop", File: "/home/me/shop/tenfold.yaml", PID: 1},
		{Directory: "/home/me/blog", StartedIn: "/home/me/blog", PID: 2},
		{Directory: "/home/me/blog", StartedIn: "/home/me/blog", File: "/home/me/blog/other.yaml", PID: 3},
		{Directory: "/etc/tenfold", StartedIn: "/srv", File: "/etc/tenfold/a.yaml", PID: 4},
		{Directory: "/home/me/shop/tools/bench", StartedIn: "/home/me/shop/tools/bench", PID: 5},
	}
	projects := map[string]bool{"/home/me/shop": true, "/home/me/shop/admin": true}
	for dir, want := range map[string][]int{
		"/home/me/shop":             {1},
		"/home/me/shop/":            {1},
		"/home/me/shop/src/cart":    {1},
		"/home/me/shop/admin":       nil, // an own project
		"/home/me/shop/admin/src":   nil,
		"/home/me/shop/tools":       {1},
		"/home/me/shop/tools/bench": {5},
		"/home/me/blog":             {2, 3},
		"/home/me":                  nil,
		"/etc/tenfold":              {4},
		"/etc/tenfold/a.yaml":       {4},
		"/srv/x":                    {4},
		"/":                         nil,
	} {
		found := Find(all, dir, func(dir string) bool { return projects[dir] })
		same := len(found) == len(want)
		for i := range found {
			same = same && found[i].PID == want[i]
		}
		if !same {
			t.Errorf("%s: found %+v, want %v", dir, found, want)
		}
	}
}
