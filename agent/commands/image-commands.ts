import { type Command, InvalidArgumentError, Option } from 'commander';
import { ARTIFACT_FORMATS, type ArtifactFormat } from '../../images/artifact-formats.ts';
import type { Config } from '../config/schema.ts';
import type { ImagesListOptions } from './images.ts';
import type { PushCommandOptions } from './push.ts';

export interface ImageCommandsOptions {
  /** Adds those of the configuration's options. */
  readonly withConfig: (command: Command, keys: readonly string[]) => Command;
  readonly configOf: (command: Command) => Config;
}

/** What says which node's images are meant, and how large they may be. */
const STORE_OPTIONS = ['rootDir', 'maxImageBytes'];
/** What says which containers may use them. */
const USERS_OPTIONS = ['rootDir', 'runtimeSocket'];
const REGISTRY_OPTIONS = ['insecureRegistries', 'imagePullProgressDeadline'];

/** For images: those of this node, and on their way to a registry. */
export function addImageCommands(root: Command, { withConfig, configOf }: ImageCommandsOptions): void {
  const images = root.command('images').description("This node's images");
  const command = (usage: string, description: string, keys: readonly string[]): Command =>
    withConfig(images.command(usage).description(description), keys);

  command('ls', 'List the images', STORE_OPTIONS)
    .alias('list')
    .option('--digests', 'also the digest that each tag stands for', false)
    .option('-q, --quiet', 'only their ids', false)
    .addOption(new Option('-o, --output <form>', 'form of the output').choices(['table', 'json']).default('table'))
    .action(async (options: ImagesListOptions, self) => {
      const { listImagesCommand } = await import('./images.ts');
      await listImagesCommand(configOf(self as Command), options);
    });

  command('import <file> [name]', 'Put a module, or an archive of images, into the store', STORE_OPTIONS).action(
    async (file: string, name: string | undefined, _options, self) => {
      const { importCommand } = await import('./images.ts');
      await importCommand(configOf(self as Command), file, name);
    },
  );

  command('rm <image...>', 'Remove images that no container uses', USERS_OPTIONS)
    .option('-f, --force', 'also those that containers use', false)
    .action(async (names: string[], { force }: { force: boolean }, self) => {
      const { removeImagesCommand } = await import('./images.ts');
      await removeImagesCommand(configOf(self as Command), names, force);
    });

  command('prune', 'Remove all images that no container uses', USERS_OPTIONS).action(async (_options, self) => {
    const { pruneImagesCommand } = await import('./images.ts');
    await pruneImagesCommand(configOf(self as Command));
  });

  withConfig(root.command('push <file> <image>').description('Push a module to a registry'), REGISTRY_OPTIONS)
    .addOption(
      new Option('--format <format>', 'form of the image (docs/images.md)').choices(ARTIFACT_FORMATS).default('cncf'),
    )
    .option('--annotation <key=value>', 'annotation of the manifest; may be given again', annotation, {})
    .option('--index', 'add it to the index that the tag stands for, beside other platforms', false)
    .option('--mount-from <repository>', 'repository of the same registry that may have the module already')
    .option('--insecure', 'speak plain HTTP to this registry', false)
    .option('-q, --quiet', 'only the digest', false)
    .action(async (file: string, name: string, options: PushOptions, self) => {
      const { pushCommand } = await import('./push.ts');
      const { annotation: annotations, ...rest } = options;
      await pushCommand(configOf(self as Command), file, name, { ...rest, annotations });
    });
}

interface PushOptions extends Omit<PushCommandOptions, 'annotations' | 'format'> {
  readonly format: ArtifactFormat;
  readonly annotation: Readonly<Record<string, string>>;
}

function annotation(text: string, earlier: Readonly<Record<string, string>>): Record<string, string> {
  const equals = text.indexOf('=');
  if (equals < 1) throw new InvalidArgumentError('Expected key=value.');
  return { ...earlier, [text.slice(0, equals)]: text.slice(equals + 1) };
}
