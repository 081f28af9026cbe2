/** The model in a report: one changes an input and sees the prediction move. */
import { useEffect, useState } from 'preact/hooks';
import type * as served from '../../interop/js/served.js';
import { recordingsIn } from '../../tasks/views.js';
import type { UserError } from '../../util/errors.js';
import { Section } from '../components/components.js';
import type { RunReport } from '../run-report.js';
import { tableIn } from './inputs.js';
import { Predictor, type PredictorProps, problemOf, type Sound } from './predictor.js';

/** What the script of the model declares. */
type Live = typeof served & { readonly module: served.Module };
type ModelFacts = served.ModelFacts;
type Sequence = Parameters<typeof served.predictedLine>[1];

const NOTE = 'Change the input and see the prediction move. The model is in this page, which sends nothing.';

export function LiveModel({ report }: { readonly report: RunReport }) {
  const { model } = report;
  if (model === null) return null;
  return (
    <Section title="Try the model" note={model.left_out ?? NOTE}>
      {model.left_out === null && <Opened report={report} />}
    </Section>
  );
}

function Opened({ report }: { readonly report: RunReport }) {
  const [props, setProps] = useState<PredictorProps>();
  const [problem, setProblem] = useState<string>();
  // after the page is drawn: it takes a moment
  useEffect(() => {
    try {
      setProps(propsOf(Reflect.get(globalThis, 'openModel')(), report));
    } catch (error) {
      setProblem(`This browser cannot run the model: ${error}`);
    }
  }, [report]);
  if (problem !== undefined) return <p class="alert">{problem}</p>;
  return props ? <Predictor {...props} /> : null;
}

function propsOf({ module, factsOf, predictedLine }: Live, report: RunReport): PredictorProps {
  const model = factsOf(module);
  const { image, input } = module.model.data;
  const isPermuted = report.config.some(({ value }) => value === 'permuted_pixels');
  let last: Promise<unknown> = Promise.resolve();
  return {
    model,
    example: startOf(report.evaluation?.example ?? '', model),
    sounds: soundsOf(report),
    image: image && input.kind === 'number' && !isPermuted ? { ...image, perStep: input.size } : undefined,
    pauseMs: 0,
    // of the inputs that come while it computes, only the last one is predicted
    predict: (given, signal) => {
      const turn = last.then(async () => {
        signal.throwIfAborted();
        try {
          const sequence = given instanceof ArrayBuffer ? await samplesOf(given, module) : given;
          return { prediction: JSON.parse(await predictedLine(module, sequence as Sequence)) };
        } catch (error) {
          const { message, diagnostics } = error as Error & Partial<UserError>;
          return problemOf(message, diagnostics);
        }
      });
      last = turn.catch(() => {});
      return turn;
    },
  };
}

/** The recordings that the report has. */
function soundsOf({ evaluation }: RunReport): readonly Sound[] {
  const recordings = evaluation === null ? [] : recordingsIn(evaluation.task);
  const sounds = recordings.flatMap(({ file: name, audio }): Sound[] => (audio ? [{ name, audio }] : []));
  return [...new Map(sounds.map(sound => [sound.name, sound])).values()];
}

/** Where a WAV file without other chunks has its samples. */
const PLAIN_HEADER = 44;

/** Of an audio file, if possible at its own rate. @throws Error if it cannot be decoded */
async function samplesOf(file: ArrayBuffer, { model: { data, channel } }: served.Module) {
  const view = new DataView(file);
  const isWav = view.byteLength > PLAIN_HEADER && view.getUint32(12) === 0x666d7420;
  const rate = isWav ? view.getUint32(24, true) : data.sample_rate;
  // 16 bits and one channel, as reports have them: browsers do not agree on the largest sample
  if (isWav && view.getUint16(22, true) === 1 && view.getUint32(34) === 0x10006461)
    return { samples: new Int16Array(file, PLAIN_HEADER, (file.byteLength - PLAIN_HEADER) >> 1), rate };
  const decoded = await new OfflineAudioContext(1, 1, rate ?? 16_000).decodeAudioData(file.slice());
  const channels = Array.from({ length: decoded.numberOfChannels }, (_, k) => decoded.getChannelData(k));
  const read = typeof channel === 'number' ? [channels[channel]] : channels;
  const sum = (t: number) => read.reduce((total, channelSamples) => total + channelSamples[t], 0);
  return { samples: Float32Array.from(read[0], (_, t) => sum(t) / read.length), rate };
}

/** The example if the model reads its columns: those of dates are not in it. */
function startOf(example: string, { input, columns }: ModelFacts): string {
  if (input !== 'numbers') return example;
  const { names, rows } = tableIn(example);
  if (names && columns) return columns.every(name => names.includes(name)) ? example : '';
  return rows.map(row => row.join()).join('\n');
}
