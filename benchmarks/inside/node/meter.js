"use strict";
// Counts handler runs inside a worker: inside/python/meter.py in JavaScript; see there. Node's own modules only.

const dgram = require("node:dgram");
const fs = require("node:fs");

const WARM = Number(process.env.BENCH_WARM || 0);
const JOBS = Number(process.env.BENCH_JOBS || 0);
const JOB_MS = Number(process.env.BENCH_JOB_MS || 0);
const REPORT = process.env.BENCH_REPORT || "";
const PULSE_PORT = Number(process.env.BENCH_PULSE || 0);
const LIMIT = Number(process.env.BENCH_LIMIT || 0);

if (LIMIT) {
  setTimeout(() => process.exit(1), LIMIT * 1000).unref(); // never outlives its run
}

const pulses = dgram.createSocket("udp4").unref();
let count = 0;
let firstNs = 0n;
let warmNs = 0n;
let warmCpu = null;
let warmRss = 0;

const residentMb = () => process.memoryUsage.rss() / 1e6;

function report() {
  const seconds = Number(process.hrtime.bigint() - warmNs) / 1e9;
  const { user, system } = process.cpuUsage(warmCpu);
  const found = {
    jobs: count - WARM,
    seconds,
    cpu_seconds: (user + system) / 1e6,
    first_ns: Number(firstNs),
    rss_warm_mb: warmRss,
    rss_mb: residentMb(),
  };
  fs.writeFileSync(`${REPORT}.new`, JSON.stringify(found));
  fs.renameSync(`${REPORT}.new`, REPORT);
}

function pulse() {
  const packed = Buffer.alloc(8);
  packed.writeBigInt64LE(process.hrtime.bigint());
  pulses.send(packed, PULSE_PORT, "127.0.0.1");
}

// Called first thing by every handler.
exports.ran = () => {
  count += 1;
  if (count > JOBS) {
    if (PULSE_PORT) pulse();
  } else if (count === JOBS) {
    report();
  } else if (count === WARM) {
    warmRss = residentMb();
    warmCpu = process.cpuUsage();
    warmNs = process.hrtime.bigint();
  } else if (count === 1) {
    firstNs = process.hrtime.bigint();
  }
};

// What a handler waits for afterwards; null where it waits for nothing, so that no tick is spent on it.
exports.wait = JOB_MS ? () => new Promise((resolve) => setTimeout(resolve, JOB_MS)) : null;
