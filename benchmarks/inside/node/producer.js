"use strict";
// Enqueues through an engine's app: inside/python/producer.py in JavaScript; see there for the modes.

const dgram = require("node:dgram");
const path = require("node:path");

const PATIENCE_MS = 10_000;
const WARM_UP = 100;
const COROUTINES = 100;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function bulk(app, jobs) {
  await app.enqueueBulk(WARM_UP);
  const start = performance.now();
  await app.enqueueBulk(jobs - WARM_UP);
  return { jobs: jobs - WARM_UP, seconds: (performance.now() - start) / 1000 };
}

async function awaited(app, jobs, most) {
  const callers = Array.from({ length: COROUTINES });
  await Promise.all(callers.map(() => app.enqueueOne()));
  const start = performance.now();
  let sent = 0;
  const callOften = async () => {
    for (let n = 0; n < jobs / COROUTINES && performance.now() < start + most * 1000; n += 1) {
      await app.enqueueOne();
      sent += 1;
    }
  };
  await Promise.all(callers.map(callOften));
  return { jobs: sent, seconds: (performance.now() - start) / 1000 };
}

function listen() {
  const socket = dgram.createSocket("udp4");
  let waiting = () => {};
  socket.on("message", (packed) => waiting(packed.readBigInt64LE()));
  const bound = new Promise((resolve) => socket.bind(Number(process.env.BENCH_PULSE), "127.0.0.1", resolve));
  const next = () =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("no pulse in time")), PATIENCE_MS);
      waiting = (ns) => {
        clearTimeout(timer);
        resolve(ns);
      };
    });
  return { bound, next, close: () => socket.close() };
}

async function single(app, jobs, most) {
  const pulses = listen();
  await pulses.bound;
  const end = performance.now() + most * 1000;
  const latencies = [];
  for (let n = 0; n < jobs + 10; n += 1) {
    const pulse = pulses.next();
    const sent = process.hrtime.bigint();
    await app.enqueueOne();
    const started = await pulse;
    if (n >= 10) latencies.push(Number(started - sent));
    if (latencies.length && performance.now() > end) break;
    await pause(1 + Math.random() * 4);
  }
  pulses.close();
  return { latencies_ns: latencies };
}

async function main(mode, jobs, seconds) {
  const app = require(path.join(process.cwd(), "app.js"));
  const modes = { bulk, awaited, single };
  const result = await modes[mode](app, Number(jobs), Number(seconds));
  await app.closeProducer();
  console.log(JSON.stringify(result));
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(String(error));
  process.exit(1);
});
