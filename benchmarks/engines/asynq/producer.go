package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
)

const (
	patience   = 10 * time.Second
	warmUp     = 100
	goroutines = 100 // asynq has no bulk call: as many at once as the others have coroutines
)

func produce(redis asynq.RedisClientOpt, arguments []string) error {
	if len(arguments) < 2 {
		return fmt.Errorf("give a mode and a number")
	}
	client := asynq.NewClient(redis)
	defer client.Close()
	jobs, err := strconv.Atoi(arguments[1])
	if err != nil {
		return err
	}
	most := time.Hour
	if len(arguments) > 2 {
		seconds, err := strconv.ParseFloat(arguments[2], 64)
		if err != nil {
			return err
		}
		most = time.Duration(seconds * float64(time.Second))
	}
	var result map[string]any
	if arguments[0] == "single" {
		result, err = single(client, jobs, most)
	} else {
		result, err = together(client, jobs, most, arguments[0] == "bulk")
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

// together is both bulk and awaited; only for a bulk do the jobs that warm up belong to `jobs`.
func together(client *asynq.Client, jobs int, most time.Duration, bulk bool) (map[string]any, error) {
	if _, err := enqueue(client, warmUp, most); err != nil {
		return nil, err
	}
	if bulk {
		jobs -= warmUp
	}
	start := time.Now()
	sent, err := enqueue(client, int64(jobs), most)
	return map[string]any{"jobs": sent, "seconds": time.Since(start).Seconds()}, err
}

func enqueue(client *asynq.Client, jobs int64, most time.Duration) (int64, error) {
	var started, done atomic.Int64
	var group sync.WaitGroup
	failures := make(chan error, goroutines)
	end := time.Now().Add(most)
	for range goroutines {
		group.Add(1)
		go func() {
			defer group.Done()
			for started.Add(1) <= jobs && time.Now().Before(end) {
				if _, err := client.Enqueue(asynq.NewTask(task, nil)); err != nil {
					failures <- err
					return
				}
				done.Add(1)
			}
		}()
	}
	group.Wait()
	close(failures)
	return done.Load(), <-failures
}

func single(client *asynq.Client, jobs int, most time.Duration) (map[string]any, error) {
	socket, err := net.ListenPacket("udp4", "127.0.0.1:"+os.Getenv("BENCH_PULSE"))
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	latencies := []int64{}
	end := time.Now().Add(most)
	for count := range jobs + 10 {
		sent := monotonicNs()
		if _, err := client.Enqueue(asynq.NewTask(task, nil)); err != nil {
			return nil, err
		}
		started, err := pulseFrom(socket)
		if err != nil {
			return nil, err
		}
		if count >= 10 {
			latencies = append(latencies, started-sent)
		}
		if len(latencies) > 0 && time.Now().After(end) {
			break
		}
		time.Sleep(time.Millisecond + time.Duration(rand.Int63n(int64(4*time.Millisecond))))
	}
	return map[string]any{"latencies_ns": latencies}, nil
}

func pulseFrom(socket net.PacketConn) (int64, error) {
	if err := socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	var packed [8]byte
	if _, _, err := socket.ReadFrom(packed[:]); err != nil {
		return 0, err
	}
	return int64(binary.LittleEndian.Uint64(packed[:])), nil
}
