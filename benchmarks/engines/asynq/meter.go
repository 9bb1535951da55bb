package main

import (
	"encoding/binary"
	"encoding/json"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// meter counts handler runs inside a worker: inside/python/meter.py in Go; see there.
type meter struct {
	warm, jobs int64
	wait       time.Duration
	report     string
	pulses     net.Conn

	count           atomic.Int64
	firstNs, warmNs atomic.Int64
	warmCPU         atomic.Int64
	warmRSS         atomic.Int64
}

func newMeter() *meter {
	if limit := number("BENCH_LIMIT"); limit > 0 {
		time.AfterFunc(time.Duration(limit)*time.Second, func() { os.Exit(1) }) // never outlives its run
	}
	made := &meter{
		warm:   int64(number("BENCH_WARM")),
		jobs:   int64(number("BENCH_JOBS")),
		wait:   time.Duration(number("BENCH_JOB_MS")) * time.Millisecond,
		report: os.Getenv("BENCH_REPORT"),
	}
	if port := number("BENCH_PULSE"); port > 0 {
		made.pulses, _ = net.Dial("udp4", "127.0.0.1:"+strconv.Itoa(port))
	}
	return made
}

func (m *meter) ran() {
	switch count := m.count.Add(1); {
	case count > m.jobs:
		m.pulse()
	case count == m.jobs:
		m.tell(count)
	case count == m.warm:
		m.warmRSS.Store(residentBytes())
		m.warmCPU.Store(clockNs(unix.CLOCK_PROCESS_CPUTIME_ID))
		m.warmNs.Store(monotonicNs())
	case count == 1:
		m.firstNs.Store(monotonicNs())
	}
}

func (m *meter) block() {
	if m.wait > 0 {
		time.Sleep(m.wait)
	}
}

func (m *meter) pulse() {
	if m.pulses == nil {
		return
	}
	var packed [8]byte
	binary.LittleEndian.PutUint64(packed[:], uint64(monotonicNs()))
	_, _ = m.pulses.Write(packed[:])
}

func (m *meter) tell(count int64) {
	whole, err := json.Marshal(map[string]any{
		"jobs":        count - m.warm,
		"seconds":     float64(monotonicNs()-m.warmNs.Load()) / 1e9,
		"cpu_seconds": float64(clockNs(unix.CLOCK_PROCESS_CPUTIME_ID)-m.warmCPU.Load()) / 1e9,
		"first_ns":    m.firstNs.Load(),
		"rss_warm_mb": float64(m.warmRSS.Load()) / 1e6,
		"rss_mb":      float64(residentBytes()) / 1e6,
	})
	if err != nil || os.WriteFile(m.report+".new", whole, 0o600) != nil {
		os.Exit(1)
	}
	if os.Rename(m.report+".new", m.report) != nil {
		os.Exit(1)
	}
}

func monotonicNs() int64 {
	return clockNs(unix.CLOCK_MONOTONIC)
}

func clockNs(clock int32) int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(clock, &now); err != nil {
		panic(err)
	}
	return now.Nano()
}

func residentBytes() int64 {
	found, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, err := strconv.ParseInt(strings.Fields(string(found))[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
