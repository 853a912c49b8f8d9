// The three functions of the metadata reflection API that @peculiar/x509's dependency tsyringe asks for, and refuses to
// load without. Nothing here is reached by metadata: an ordinary inheriting lookup in a WeakMap is enough.
type Target = object;

interface MetadataReflection {
  defineMetadata?(key: unknown, value: unknown, target: Target): void;
  getOwnMetadata?(key: unknown, target: Target): unknown;
  getMetadata?(key: unknown, target: Target): unknown;
}

const metadata = new WeakMap<Target, Map<unknown, unknown>>();
const reflect = Reflect as MetadataReflection;

// Whoever loaded a complete implementation first is right.
if (reflect.getMetadata === undefined) {
  reflect.defineMetadata = (key, value, target) => {
    const own = metadata.get(target) ?? new Map<unknown, unknown>();
    metadata.set(target, own.set(key, value));
  };
  reflect.getOwnMetadata = (key, target) => metadata.get(target)?.get(key);
  reflect.getMetadata = (key, target) => {
    for (let at: Target | null = target; at !== null; at = Object.getPrototypeOf(at) as Target | null) {
      const own = metadata.get(at);
      if (own?.has(key)) return own.get(key);
    }
    return undefined;
  };
}
