//go:build !race

package router

// raceDetector: programs are built as they are for routers.
const raceDetector = false
