/**
 * TensorFlow.js (WebAssembly) as a contender of `npm run bench`: answers JSON requests, one a line (see ../protocol.ts).
 *
 *   node tfjs_peer.cjs FOLDER
 *
 * FOLDER is where `npm i @tensorflow/tfjs @tensorflow/tfjs-backend-wasm` was run. In Node the backend has one thread.
 */
const { createRequire } = require('node:module');
const { dirname, join, resolve } = require('node:path');
const { createInterface } = require('node:readline');

const WARM_UP_S = 0.5;
const load = createRequire(join(resolve(process.argv[2]), 'package.json'));
const network = require('./tfjs_model.cjs');
const tf = load('@tensorflow/tfjs');
const wasm = load('@tensorflow/tfjs-backend-wasm');

function kernels({ benchmark, batch_size: b, hidden_size: h, repeats }) {
  const many = width => Array.from({ length: repeats }, () => tf.randomUniform([b, width]));
  const xs = many(benchmark === 'matmul' ? 2 * h : h);
  const states = many(h);
  const weights = {
    product: tf.randomUniform([2 * h, 4 * h]),
    ih: tf.randomUniform([h, 4 * h]),
    hh: tf.randomUniform([h, 4 * h]),
    bias_ih: tf.randomUniform([4 * h]),
    bias_hh: tf.randomUniform([4 * h]),
  };
  const gates = (x, state) => {
    const products = tf.matMul(x, weights.ih).add(tf.matMul(state, weights.hh));
    const [i, f, g, o] = products.add(weights.bias_ih).add(weights.bias_hh).split(4, 1);
    return [i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()];
  };
  const one = benchmark === 'matmul' ? x => [tf.matMul(x, weights.product)] : gates;
  return async () => {
    xs.forEach((x, r) => {
      tf.tidy(() => {
        for (const result of one(x, states[r])) result.dataSync();
      });
    });
  };
}

function models(one) {
  const { benchmark, batch_size, sequence_length, input_size, num_classes } = one;
  const sequences = Math.max(one.sequences, one.drawn_from);
  const model = network(tf, one);
  const x = tf.randomUniform([sequences, sequence_length, input_size]);
  const y = tf.oneHot(tf.randomUniform([sequences], 0, num_classes, 'int32'), num_classes);
  if (benchmark === 'train_step')
    return async () => {
      const rows = tf.randomUniform([batch_size], 0, sequences, 'int32');
      const batch = [tf.gather(x, rows), tf.gather(y, rows)];
      await model.trainOnBatch(...batch);
      tf.dispose([rows, ...batch]);
    };
  return async () => {
    tf.tidy(() => {
      for (const result of [model.evaluate(x, y, { batchSize: batch_size })].flat()) result.dataSync();
    });
  };
}

async function prepare(one) {
  tf.disposeVariables();
  tf.engine().startScope();
  const began = performance.now();
  const call = one.benchmark === 'matmul' || one.benchmark === 'gates' ? kernels(one) : models(one);
  await call();
  await measure(call, WARM_UP_S, Number.POSITIVE_INFINITY);
  return { call, seconds: (performance.now() - began) / 1000 };
}

async function measure(call, budgetSeconds, most) {
  const times = [];
  const end = performance.now() + budgetSeconds * 1000;
  do {
    const began = performance.now();
    await call();
    times.push(performance.now() - began);
  } while (performance.now() < end && times.length < most);
  return times;
}

const say = message => process.stdout.write(`${JSON.stringify(message)}\n`);

async function main() {
  wasm.setWasmPaths(`${dirname(load.resolve('@tensorflow/tfjs-backend-wasm/package.json'))}/dist/`);
  await tf.setBackend('wasm');
  await tf.ready();
  if (tf.getBackend() !== 'wasm') throw new Error(`the backend is ${tf.getBackend()}`);
  say({ versions: { tfjs: tf.version.tfjs }, threads: 1 });
  let call;
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    try {
      if (request.op === 'prepare') {
        if (call) tf.engine().endScope();
        call = undefined;
        const ready = await prepare(request.case);
        call = ready.call;
        say({ seconds: ready.seconds });
      } else {
        say({ times_ms: await measure(call, request.budget_s, request.most) });
      }
    } catch (error) {
      say({ error: error.message });
    }
  }
}

main().then(
  () => process.exit(),
  error => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  },
);
