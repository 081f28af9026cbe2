/** `graph CONFIG`: prints the computations and costs of a training step. */
import { loadExperiment } from '../../config/index.js';
import { kernelListing } from '../../engine/link.js';
import { reachable } from '../../math/graph/node.js';
import { shapeText } from '../../math/graph/shape.js';
import { ParameterLayout } from '../../math/model/parameters.js';
import {
  deviceCosts,
  type PlannedProgram,
  profileStep,
  type StepProfile,
  stepCosts,
} from '../../train/costs.js';
import { openSession } from '../../train/session.js';
import { EXIT, usageError } from '../../util/errors.js';
import { aligned } from '../../util/table.js';
import { counted } from '../../util/words.js';
import { choice, compute, defineVerb, flag, jsonFormat, set, text as textOption } from '../command/verb.js';

export const verb = defineVerb({
  arguments: '<config>',
  options: {
    set,
    ...compute,
    format: choice('<format>', ['text', 'json', 'mermaid'], 'output format').default('text'),
    json: jsonFormat,
    emit: textOption('<kernel>', "print a kernel's source and its WebAssembly"),
    profile: flag('run a few steps and print the time spent in each kernel'),
  },
  async action([config], options, { io }) {
    const format = options.json ? 'json' : options.format;
    const loaded = loadExperiment(config, { set: options.set });
    const session = await openSession(loaded, options);
    if (options.profile) {
      const { backend } = session.choice;
      const isTable = format !== 'mermaid';
      if (backend === 'cpu' || !isTable)
        throw usageError(
          'graph/profile',
          isTable ? 'kernels on cpu cannot be timed one by one' : 'a profile is a table',
          {
            file: '--profile',
            expected: isTable ? '--backend webasm or webgpu' : '--format text or json',
            got: isTable ? backend : format,
          },
        );
      const profile = await profileStep(loaded, session, PROFILED_STEPS);
      if (format === 'json') io.data(`${JSON.stringify(profile)}\n`);
      else io.out(profileText(profile));
      return EXIT.done;
    }
    const step = stepCosts(session.run, loaded.experiment.training.batch_size);
    const { programs } = step;
    if (options.emit !== undefined) io.data(emitted(programs, options.emit));
    else if (format === 'mermaid') io.data(mermaid(programs[programs.length - 1]));
    else {
      const layout = new ParameterLayout(session.spec);
      const summary = {
        backend: session.choice.backend,
        shards: step.shards,
        rows_per_shard: step.job.shape.batch,
        sequence_length: session.run.sequenceLength,
        parameters: layout.size,
        flops_per_step: step.flops,
        kernels_per_step: step.kernels,
        bytes: step.bytes,
        ...(session.choice.backend === 'webgpu' && deviceCosts(loaded, session.run, step)),
      };
      if (format === 'json') io.data(json(summary, layout, programs));
      else io.out(text(summary, layout, programs));
    }
    return EXIT.done;
  },
});

function json(summary: object, layout: ParameterLayout, programs: readonly PlannedProgram[]): string {
  const parameter_shapes = layout.parameters.map(({ name, shape }) => ({ name, shape }));
  const listed = programs.map(({ name, runs, costs, plan, program, parameterNames }) => ({
    name,
    runs,
    ...costs,
    graph: reachable(program.outputs.values()).map(({ id, op, name, shape, inputs }) => ({
      id,
      op: op?.name ?? 'input',
      ...(name !== undefined && { name: publicName(name, parameterNames) }),
      shape,
      inputs: inputs.map(input => input.id),
    })),
    kernel_sources: plan.kernels.map(({ name, output, text }) => ({ name, output, source: text.source })),
    steps: plan.steps.map(({ kernel, node, flops }) => ({ kernel: kernel.name, node: node.id, flops })),
  }));
  return `${JSON.stringify({ version: 1, ...summary, parameter_shapes, programs: listed })}\n`;
}

/** Enough steps for each kernel to run undisturbed at least once. */
const PROFILED_STEPS = 10;
const MAX_PRINTED = 20;

function profileText({ steps, width, step_ms, kernels, other, batch_ms }: StepProfile): string {
  const row = (ms: number, share: number, rates: readonly string[], what: string) => [
    ...[ms.toFixed(3), `${(100 * share).toFixed(1)} %`],
    ...[...rates, what],
  ];
  const rows = kernels
    .slice(0, MAX_PRINTED)
    .map(({ program, kernel, calls, ms, share, flops_per_s, bytes }) =>
      row(
        ms,
        share,
        [(flops_per_s / 1e9).toFixed(1), ((bytes / ms) * 1e-6).toFixed(1), String(Number(calls.toFixed(1)))],
        `${kernel}: ${program}`,
      ),
    );
  const rest = kernels.slice(MAX_PRINTED);
  const sum = (key: 'ms' | 'share') => rest.reduce((total, hidden) => total + hidden[key], 0);
  const none = ['', '', ''];
  if (rest.length > 0)
    rows.push(row(sum('ms'), sum('share'), none, `${counted(rest.length, 'kernel')} more`));
  rows.push(row(other.ms, other.share, none, 'outside kernels: gradient norm, copies, calls'));
  return [
    width === null
      ? `training step on the GPU: ${step_ms.toFixed(1)} ms (each dispatch in a pass of its own, fastest of ${steps})`
      : `training step in one thread: ${step_ms.toFixed(1)} ms (${width}-bit vectors, fastest of ${steps})`,
    `preparing the next batch meanwhile: ${batch_ms.toFixed(1)} ms`,
    '',
    ...aligned([['ms', 'fraction', 'GFLOP/s', 'GB/s', 'calls', 'kernel'], ...rows], i => i < 5),
    '',
  ].join('\n');
}

/** Source and WebAssembly of the kernel `name` in the first program that has it. */
function emitted(programs: readonly PlannedProgram[], name: string): string {
  for (const { plan } of programs) {
    const step = plan.steps.find(({ kernel }) => kernel.name === name);
    if (step) return `${step.kernel.text.source}\n\n${kernelListing(step)}`;
  }
  const names = new Set(programs.flatMap(({ plan }) => plan.kernels.map(kernel => kernel.name)));
  throw usageError('graph/kernel', `there is no kernel '${name}'`, {
    file: '--emit',
    expected: [...names].join(', '),
  });
}

/** The name of an input or output; parameters and their gradients are named as in checkpoints. */
function publicName(name: string, parameterNames: PlannedProgram['parameterNames']): string {
  const [, prefix = '', local = name] = /^(gradient\.)?(.*)$/.exec(name) ?? [];
  return `${prefix}${parameterNames.get(local) ?? local}`;
}

function text(
  summary: Readonly<Record<string, number | string>>,
  layout: ParameterLayout,
  programs: readonly PlannedProgram[],
): string {
  const number = (value: number): string => value.toLocaleString('en');
  const indented = (rows: readonly string[][], isRight: (column: number) => boolean) =>
    aligned(rows, isRight).map(line => `  ${line}`);
  const head = Object.entries(summary).map(([name, value]) => [
    name.replaceAll('_', ' '),
    typeof value === 'number' ? number(value) : value,
  ]);
  const parameters = layout.parameters.map(({ name, shape, size }) => [name, shapeText(shape), number(size)]);
  const listed = programs.flatMap(({ name, runs, plan, costs }) => {
    const { nodes, kernels, distinctKernels, flops, bytes } = costs;
    const rows = plan.kernels.map(kernel => {
      const steps = plan.steps.filter(step => step.kernel === kernel);
      const work = steps.reduce((sum, step) => sum + step.flops, 0);
      return [kernel.name, shapeText(kernel.output), `${steps.length} x`, `${number(work)} FLOPs`];
    });
    return [
      '',
      `${name}: ${runs === 1 ? 'once' : `${runs} times`} for each shard`,
      `  ${counted(nodes, 'node')}, ${counted(kernels, 'kernel')} of ${counted(distinctKernels, 'source')}, ${number(flops)} FLOPs, ${number(bytes)} bytes`,
      ...indented(rows, i => i > 1),
    ];
  });
  const top = aligned(head);
  return [...top, '', 'parameters', ...indented(parameters, i => i === 2), ...listed, ''].join('\n');
}

/** The kernels of one program and their inputs, as a Mermaid flow chart. */
function mermaid({ plan, parameterNames }: PlannedProgram): string {
  const lines = ['flowchart TD'];
  for (const node of plan.inputs)
    lines.push(
      `  n${node.id}[/"${publicName(node.name as string, parameterNames)} ${shapeText(node.shape)}"/]`,
    );
  for (const { node, kernel, operands } of plan.steps) {
    lines.push(`  n${node.id}["${kernel.name} ${shapeText(node.shape)}"]`);
    for (const operand of operands)
      if (typeof operand !== 'number') lines.push(`  n${operand.id} --> n${node.id}`);
  }
  // several outputs may be the same node, such as the gradients of both biases
  [...plan.outputs].forEach(([name, node], i) =>
    lines.push(`  n${node.id} --> o${i}(["${publicName(name, parameterNames)}"])`),
  );
  return `${lines.join('\n')}\n`;
}
