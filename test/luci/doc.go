// Package luci tests the pages of luci-app as a user meets them: in a browser,
// against the real backend.
package luci
