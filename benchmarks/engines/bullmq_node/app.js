"use strict";
// BullMQ on Node: its bulk call, jobs removed when they are done. `node app.js` is the worker.

const { Queue, Worker } = require("bullmq");

const meter = require("meter");

const SLICE = 1000; // jobs per addBulk, which is one transaction
const KEEP_NOTHING = { removeOnComplete: true };

const { hostname, port } = new URL(process.env.REDIS_URL);
const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null };

let opened = null;
const queue = () => (opened ??= new Queue("bench", { connection }));

exports.enqueueOne = () => queue().add("noop", {}, KEEP_NOTHING);

exports.enqueueBulk = async (jobs) => {
  for (let start = 0; start < jobs; start += SLICE) {
    const length = Math.min(SLICE, jobs - start);
    await queue().addBulk(Array.from({ length }, () => ({ name: "noop", data: {}, opts: KEEP_NOTHING })));
  }
};

exports.closeProducer = () => queue().close();

async function noop() {
  meter.ran();
  if (meter.wait) await meter.wait();
}

if (require.main === module) {
  const worker = new Worker("bench", noop, { connection, concurrency: Number(process.env.BENCH_CONCURRENCY) });
  process.on("SIGTERM", () => worker.close().then(() => process.exit(0)));
}
