"""What goes to the door: networks as ONNX, face detectors, and a manifest; read, never made here.

`maskgate.export` makes bundles. A bundle is a folder or one zip file of the same content; it holds
data alone, and reading one executes nothing.
"""

from maskgate.bundle.files import MANIFEST as MANIFEST
from maskgate.bundle.files import ZIP as ZIP
from maskgate.bundle.files import Bundle as Bundle
from maskgate.bundle.files import card_of as card_of
from maskgate.bundle.files import check_out as check_out
from maskgate.bundle.files import open_bundle as open_bundle
from maskgate.runs import is_bundle as is_bundle
