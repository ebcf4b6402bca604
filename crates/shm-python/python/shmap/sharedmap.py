"""The interface of the Python module `sharedmap`, over `shmap`.

    import shmap.sharedmap as sharedmap

It takes and returns strings. Names are not hashed, as the original does: two names never collide.
"""

from ._shmap import rbtree, sharedmap

__all__ = ["rbtree", "sharedmap"]
