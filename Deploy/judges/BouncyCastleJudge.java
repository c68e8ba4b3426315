import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.Security;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CRL;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Date;
import java.util.List;
import java.util.Set;
import org.bouncycastle.asn1.ASN1Encoding;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.ASN1Primitive;
import org.bouncycastle.asn1.cms.Attribute;
import org.bouncycastle.asn1.cms.CMSAttributes;
import org.bouncycastle.asn1.cms.Time;
import org.bouncycastle.asn1.ess.ESSCertIDv2;
import org.bouncycastle.asn1.ess.SigningCertificateV2;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.CMSException;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.tsp.TSPException;
import org.bouncycastle.tsp.TimeStampToken;
import org.bouncycastle.util.Store;

/**
 * Bouncy Castle's verdict on cases (cases.py): the folders are the arguments.
 *
 * One line a case: the folder, `accepted` or `refused`, and why, with tabs between. Whatever is no verdict ends the program.
 */
final class BouncyCastleJudge {
    private static final class Refusal extends Exception {
        Refusal(String message) {
            super(message);
        }
    }

    public static void main(String[] cases) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        for (String name : cases) {
            String verdict;
            try {
                verdict = "accepted\t" + judge(Path.of(name));
            } catch (Refusal | CMSException | TSPException | GeneralSecurityException error) {
                verdict = "refused\t" + error.getClass().getSimpleName() + ": " + error.getMessage();
            }
            System.out.println(name + "\t" + verdict.replace('\n', ' '));
        }
    }

    @SuppressWarnings("unchecked") // the library's selectors are raw
    private static String judge(Path folder) throws Exception {
        byte[] file = Files.readAllBytes(folder.resolve("document.p7s"));
        // Written anew as DER, sets sorted, it must be the same: Bouncy Castle itself takes BER too
        if (!Arrays.equals(ASN1Primitive.fromByteArray(file).getEncoded(ASN1Encoding.DER), file)) {
            throw new Refusal("not DER");
        }
        CMSSignedData signature = new CMSSignedData(new CMSProcessableByteArray(Files.readAllBytes(folder.resolve("document"))), file);
        if (signature.getSignerInfos().size() != 1) {
            throw new Refusal(signature.getSignerInfos().size() + " signers");
        }
        SignerInformation signer = signature.getSignerInfos().iterator().next();
        X509CertificateHolder certificate = one(signature.getCertificates().getMatches(signer.getSID()));
        // Content type, message digest, signature, and that the certificate was valid at the signing time
        if (!signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(certificate))) {
            throw new Refusal("the signature does not verify");
        }
        checkSigningCertificate(signer, certificate);
        Date time = Time.getInstance(attribute(signer, CMSAttributes.signingTime)).getDate();
        if (!folder.getParent().getFileName().toString().endsWith("-t")) {
            if (signer.getUnsignedAttributes() != null) {
                throw new Refusal("unsigned attributes");
            }
            checkChain(certificate, signature.getCertificates(), folder, "ca", time);
            return "signed by " + certificate.getSubject();
        }
        Date stamped = checkTimeStamp(signer, folder);
        checkChain(certificate, signature.getCertificates(), folder, "ca", stamped);
        return "signed by " + certificate.getSubject() + ", stamped";
    }

    /** RFC 5035: the attribute is signed and has the hash of the certificate. */
    private static void checkSigningCertificate(SignerInformation signer, X509CertificateHolder certificate) throws Exception {
        ESSCertIDv2[] certificates =
            SigningCertificateV2.getInstance(attribute(signer, PKCSObjectIdentifiers.id_aa_signingCertificateV2)).getCerts();
        String algorithm = certificates[0].getHashAlgorithm().getAlgorithm().getId();
        byte[] hash = MessageDigest.getInstance(algorithm, "BC").digest(certificate.getEncoded());
        if (certificates.length != 1 || !Arrays.equals(hash, certificates[0].getCertHash())) {
            throw new Refusal("signing-certificate-v2 is of another certificate");
        }
    }

    /** The time of the one token, which is over the signature value. */
    @SuppressWarnings("unchecked")
    private static Date checkTimeStamp(SignerInformation signer, Path folder) throws Exception {
        ASN1EncodableVector found = signer.getUnsignedAttributes() == null ? new ASN1EncodableVector()
            : signer.getUnsignedAttributes().getAll(PKCSObjectIdentifiers.id_aa_signatureTimeStampToken);
        if (found.size() != 1) {
            throw new Refusal(found.size() + " timestamps");
        }
        byte[] encoded = Attribute.getInstance(found.get(0)).getAttrValues().getObjectAt(0).toASN1Primitive().getEncoded();
        TimeStampToken token = new TimeStampToken(new CMSSignedData(encoded));
        String algorithm = token.getTimeStampInfo().getMessageImprintAlgOID().getId();
        byte[] imprint = MessageDigest.getInstance(algorithm, "BC").digest(signer.getSignature());
        if (!Arrays.equals(imprint, token.getTimeStampInfo().getMessageImprintDigest())) {
            throw new Refusal("the timestamp is over something else");
        }
        X509CertificateHolder authority = one(token.getCertificates().getMatches(token.getSID()));
        // Purpose, signing certificate, validity at the stamped time, signature
        token.validate(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(authority));
        Date time = token.getTimeStampInfo().getGenTime();
        checkChain(authority, token.getCertificates(), folder, "tsa-ca", time);
        return time;
    }

    /** A chain to the root, valid at that time, and nothing in it revoked by the root's list. */
    private static void checkChain(
        X509CertificateHolder leaf, Store<X509CertificateHolder> others, Path folder, String root, Date time
    ) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509", "BC");
        List<Object> found = new ArrayList<>();
        for (X509CertificateHolder certificate : others.getMatches(null)) {
            found.add(factory.generateCertificate(new ByteArrayInputStream(certificate.getEncoded())));
        }
        try (InputStream list = Files.newInputStream(folder.resolve(root + ".crl"))) {
            found.add((X509CRL) factory.generateCRL(list));
        }
        X509Certificate anchor;
        try (InputStream pem = Files.newInputStream(folder.resolve(root + ".pem"))) {
            anchor = (X509Certificate) factory.generateCertificate(pem);
        }
        X509CertSelector target = new X509CertSelector();
        target.setCertificate((X509Certificate) factory.generateCertificate(new ByteArrayInputStream(leaf.getEncoded())));
        PKIXBuilderParameters parameters = new PKIXBuilderParameters(Set.of(new TrustAnchor(anchor, null)), target);
        parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(found), "BC"));
        parameters.setRevocationEnabled(true);
        // A list made after the signature is the better one; that of the sandbox is some seconds older
        parameters.setDate(time);
        CertPathBuilder.getInstance("PKIX", "BC").build(parameters);
    }

    private static ASN1Primitive attribute(SignerInformation signer, org.bouncycastle.asn1.ASN1ObjectIdentifier type) throws Refusal {
        ASN1EncodableVector found = signer.getSignedAttributes().getAll(type);
        if (found.size() != 1 || Attribute.getInstance(found.get(0)).getAttrValues().size() != 1) {
            throw new Refusal("not once: " + type);
        }
        return Attribute.getInstance(found.get(0)).getAttrValues().getObjectAt(0).toASN1Primitive();
    }

    private static X509CertificateHolder one(Collection<X509CertificateHolder> found) throws Refusal {
        if (found.size() != 1) {
            throw new Refusal(found.size() + " certificates are the signer's");
        }
        return found.iterator().next();
    }
}
