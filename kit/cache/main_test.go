package cache

import (
	"testing"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }
