//go:build race

package router

// raceDetector: this program is built with the race detector, and so are those
// that it builds.
const raceDetector = true
