package recording

import (
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
)

var assetTypes = []string{"stylesheet", "script", "image", "font", "media", "manifest", "texttrack", "ping", "preflight", "cspviolationreport"}

var assetEndings = []string{".css", ".js", ".mjs", ".map", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".avif", ".ico", ".woff",
	".woff2", ".ttf", ".otf", ".eot", ".mp4", ".webm", ".mp3", ".wasm", ".webmanifest"}

func (e *entry) isAsset() bool {
	if slices.Contains(assetTypes, e.Type) {
		return true
	}
	switch {
	case e.Request.Method != http.MethodGet || e.Type == "document" || e.Type == "xhr" || e.Type == "fetch":
		return false
	case e.Type == "" && assetContent.MatchString(e.Response.Content.Type): // a browser that does not write the type
		return true
	}
	return isAssetPath(e.url.Path)
}

var assetContent = regexp.MustCompile(`^(image|font|audio|video)/|^text/css|javascript`)

func isAssetPath(p string) bool { return slices.Contains(assetEndings, strings.ToLower(path.Ext(p))) }
