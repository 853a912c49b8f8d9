import { WasmletError } from '../../base/errors.ts';
import { parseReference } from '../../images/reference.ts';
import type * as images from '../../images/service.ts';
import { imageUser } from '../../images/user.ts';
import type { CriContext } from './context.ts';
import { dockerConfigOf } from './image-auth.ts';
import type {
  Filtered,
  Image,
  ImageFsInfoResponse,
  ImageRequest,
  ImageStatusRequest,
  ImageStatusResponse,
  Nothing,
  PullImageRequest,
} from './messages.ts';
import { nanosecondsNow } from './time.ts';

/** CRI's ImageService. */
export const imageMethods = (context: CriContext) => ({
  async listImages({ filter }: Filtered<ImageRequest>): Promise<{ readonly images: readonly Image[] }> {
    return { images: await listImages(context, filter) };
  },

  /** An image that is not there is no error. */
  async imageStatus(request: ImageStatusRequest): Promise<ImageStatusResponse> {
    const image = await context.images.imageStatus(nameOf(request));
    if (!image) return { info: {} };
    const { module, tree, os, architecture, config } = image;
    return {
      image: imageMessage(image),
      info: request.verbose ? { info: JSON.stringify({ module, tree, os, architecture, config }) } : {},
    };
  },

  async pullImage(request: PullImageRequest, signal: AbortSignal): Promise<{ readonly imageRef: string }> {
    const reference = nameOf(request);
    const dockerConfigs = request.auth ? dockerConfigOf(request.auth, parseReference(reference)) : [];
    const { id } = await context.images.pullImage({ reference, dockerConfigs, signal });
    return { imageRef: id };
  },

  async removeImage(request: ImageRequest): Promise<Nothing> {
    const image = await context.images.imageStatus(nameOf(request));
    if (image) await context.images.removeImage(image.id);
    return {};
  },

  /** Images and containers stand in one file system, under one folder, so that the kubelet does not tell them apart. */
  async imageFsInfo(): Promise<ImageFsInfoResponse> {
    const { path, usedBytes, inodesUsed } = await context.images.imageFsInfo();
    const usage = {
      timestamp: nanosecondsNow(),
      fsId: { mountpoint: path },
      usedBytes: { value: String(usedBytes) },
      inodesUsed: { value: String(inodesUsed) },
    };
    return { imageFilesystems: [usage], containerFilesystems: [usage] };
  },
});

export async function listImages(context: CriContext, filter: ImageRequest | null): Promise<readonly Image[]> {
  const name = filter?.image?.image ?? '';
  if (name === '') return (await context.images.listImages()).map(imageMessage);
  const image = await context.images.imageStatus(name);
  return image ? [imageMessage(image)] : [];
}

function nameOf({ image }: ImageRequest): string {
  if (image && image.image !== '') return image.image;
  throw new WasmletError('InvalidArgument', 'the request names no image');
}

function imageMessage(image: images.Image): Image {
  const { id, repoTags, repoDigests, size } = image;
  return { id, repoTags, repoDigests, size: String(size), ...userOf(image), spec: { image: '' }, pinned: false };
}

/** The user of an image by number or by name, none where it names none; the kubelet holds runAsNonRoot against it. */
function userOf(image: images.Image): Pick<Image, 'uid' | 'username'> {
  if (image.config.user === '') return { username: '' };
  const user = imageUser(image);
  return 'uid' in user ? { uid: { value: user.uid }, username: '' } : user;
}
