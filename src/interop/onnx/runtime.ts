/** Runs ONNX files with onnxruntime-node, an optional package, or else with that of Python. */
import { pathToFileURL } from 'node:url';
import { optionalFile } from '../../util/root.js';
import type { Files } from '../predictor.js';
import { loadedTensor, startPython, storedTensors } from '../python.js';
import type { Inputs, InputTensor, Runtime } from '../verify.js';
import { FILES } from './model.js';
import type { ValueInfo } from './writer.js';

interface OnnxRuntime {
  readonly InferenceSession: {
    create(file: Uint8Array): Promise<{
      run(inputs: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, OrtTensor>>>;
    }>;
  };
  readonly Tensor: new (type: string, data: Float32Array | BigInt64Array, dims: readonly number[]) => unknown;
}

type OrtTensor = InputTensor & { readonly dims: readonly number[] };

const PACKAGE = 'onnxruntime-node';

/** What runs single files. */
interface Host extends Pick<Runtime, 'name' | 'close'> {
  run(file: string, inputs: Inputs): Promise<Inputs>;
}

async function nodeHost(files: Files): Promise<Host | undefined> {
  const found = optionalFile(PACKAGE);
  if (found === undefined) return undefined;
  const { default: ort } = (await import(pathToFileURL(found).href)) as { default: OnnxRuntime };
  const opened = Array.from(files, async ([name, content]) => {
    return [name, await ort.InferenceSession.create(Buffer.concat(content))] as const;
  });
  const sessions = new Map(await Promise.all(opened));
  return {
    name: PACKAGE,
    async run(file, inputs) {
      const given = mapped(inputs, ({ type, data, shape }) => new ort.Tensor(type, data, shape));
      const results = await sessions.get(file)!.run(given);
      return mapped(results, one => ({ type: one.type, data: one.data, shape: one.dims }) as InputTensor);
    },
    close() {},
  };
}

async function pythonHost(files: Files): Promise<Host | undefined> {
  const python = await startPython('onnx', files);
  if (typeof python === 'string') return undefined;
  const { version, ask, close } = python;
  return {
    name: `onnxruntime ${version} of Python`,
    async run(file, inputs) {
      const found = await ask({ file, inputs: storedTensors(inputs) });
      return mapped(found as ReturnType<typeof storedTensors>, loadedTensor);
    },
    close,
  };
}

function mapped<A, B>(values: Readonly<Record<string, A>>, f: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, f(value)]));
}

/** @param states inputs for what one batch carries to the next, which is an output `next_NAME` */
export async function startOnnx(files: Files, states: readonly ValueInfo[]): Promise<Runtime | string> {
  const host = (await nodeHost(files)) ?? (await pythonHost(files));
  if (!host)
    return `neither the package '${PACKAGE}' (npm install ${PACKAGE}) nor onnxruntime for python3 is installed`;
  let carried: Inputs = {};
  return {
    name: host.name,
    async outputs({ previous, ...inputs }: Inputs, continues: boolean) {
      if (previous) return written(host, inputs, previous);
      if (!continues) carried = zeros(states, inputs.lengths.data.length);
      const results = await host.run(FILES.model, { ...inputs, ...carried });
      carried = nextStates(results);
      return (results.logits ?? results.values).data as Float32Array;
    },
    close: host.close,
  };
}

/** The logits after `previous`: those of its first symbol, then of the others from its states. */
async function written(host: Host, inputs: Inputs, previous: InputTensor): Promise<Float32Array> {
  let given = await host.run(FILES.encoder, inputs);
  const [batch, longest] = previous.shape;
  const rows = Array.from({ length: batch }, (): number[] => []);
  const symbols = previous.data as BigInt64Array;
  const isFirst = (_: unknown, i: number) => i % longest === 0;
  for (const data of [symbols.filter(isFirst), symbols.filter((_, i) => !isFirst(_, i))]) {
    if (data.length === 0) continue;
    const shape = [batch, data.length / batch];
    const results = await host.run(FILES.decoder, { ...given, previous: { type: 'int64', data, shape } });
    given = { ...given, ...nextStates(results) };
    const logits = results.logits.data as Float32Array;
    const width = logits.length / batch;
    rows.forEach((row, i) => void row.push(...logits.subarray(i * width, (i + 1) * width)));
  }
  return Float32Array.from(rows.flat());
}

function nextStates(results: Inputs): Inputs {
  const prefix = 'next_';
  const own = Object.entries(results).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(own.map(([name, state]) => [name.slice(prefix.length), state]));
}

function zeros(states: readonly ValueInfo[], rows: number): Inputs {
  const zero = ({ name, shape: axes }: ValueInfo): [string, InputTensor] => {
    const shape = axes.map(size => (typeof size === 'number' ? size : rows));
    const count = shape.reduce((product, size) => product * size, 1);
    return [name, { type: 'float32', data: new Float32Array(count), shape }];
  };
  return Object.fromEntries(states.map(zero));
}
